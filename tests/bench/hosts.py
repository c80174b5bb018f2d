"""Names that resolve for one child process alone.

One peer knows no other address than BUCKET.host. It runs in a mount namespace of its own, in which
a hosts file of ours covers the machine's; nobody else sees it.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench.errors import UnavailableError

_COVER = 'mount --bind "$0" /etc/hosts && exec "$@"'


def with_names(names: Sequence[str], folder: Path) -> list[str]:
    """The words to put before a command in which `names` are 127.0.0.1."""
    file = folder / "hosts"
    file.write_text(f"127.0.0.1 localhost {' '.join(names)}\n")
    return _wrapper(str(file))


@functools.cache
def _wrapper(file: str) -> list[str]:
    unshare = shutil.which("unshare")
    if unshare is None:
        raise UnavailableError("there is no unshare to give it a hosts file of its own")
    # Root needs no user namespace; others may be allowed one.
    for options in (["--mount"], ["--mount", "--map-root-user"]):
        words = [unshare, *options, "sh", "-c", _COVER, file]
        done = subprocess.run([*words, "true"], capture_output=True, check=False, timeout=20)
        if done.returncode == 0:
            return words
    raise UnavailableError("this user may not make a mount namespace for a hosts file of its own")
