"""A reused connection that is dead, and what becomes of the request while libcurl replaces it."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading

from support.names import NAME, Names, say_nothing

# Two requests, one after the other, and how many of them were tried again.
PROGRAM = """
import sys, warnings
warnings.simplefilter("ignore")
import oss2.credentials
from ossmodelconnector import OssModelConnector
provider = oss2.credentials.StaticCredentialsProvider("id", "secret")
config = {"addressing": "path", "prefetch.vcpus": 1, "timeout.connectSeconds": 4}
with OssModelConnector(sys.argv[1], cred_provider=provider, config=config) as connector:
    sizes = [connector.stat("oss://bucket-1/key").size for _ in range(2)]
    print(*sizes, connector.stats().retries)
"""


class Host:
    """Answers one HEAD request at its address, and falls silent at the second one."""

    def __init__(self, address: tuple[str, int], stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._listener = stack.enter_context(socket.create_server(address))
        self.address = self._listener.getsockname()
        self.answered = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        peer, _ = self._listener.accept()
        with peer:
            while peer.recv(65536):
                if self.answered:
                    return self._fall_silent()
                self.answered += 1
                peer.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "tag"\r\n\r\n')

    def _fall_silent(self) -> None:
        self._listener.close()
        say_nothing(self.address, self._stack)


# The second address' socket got the number of the silent first one's, and libcurl 7.88 did not have
# it watched; nor was it looked after, since the request had been sent once. It was given up.
def test_a_replaced_connection_reaches_the_second_address_of_its_name(tmp_path):
    names = Names(tmp_path)
    with contextlib.ExitStack() as stack:
        first = Host(("127.0.0.71", 0), stack)
        second = Host(("127.0.0.72", first.address[1]), stack)
        names.put(["127.0.0.71", "127.0.0.72"])
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM, f"http://{NAME}:{first.address[1]}"],
            env=names.environ,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (run.stdout, run.stderr) == ("5 5 0\n", "")
        # Each answered one: which was first, chance decides.
        assert (first.answered, second.answered) == (1, 1)
