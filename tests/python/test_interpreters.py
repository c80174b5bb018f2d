"""More than one interpreter in a process: mod_wsgi, and programs that embed Python."""

from __future__ import annotations

import subprocess
import sys

from support.tries import HANG_SECONDS

# An interpreter of the kind that shares the GIL and takes any extension module, as mod_wsgi's; its
# name has changed over the years.
SECOND_INTERPRETER = """
import sys

def run_in_a_second_interpreter(code):
    if sys.version_info >= (3, 13):
        import _interpreters
        interpreter = _interpreters.create("legacy")
        failure = _interpreters.exec(interpreter, code)
        return None if failure is None else f"{failure.type.__name__}: {failure.msg}"
    import _xxsubinterpreters
    interpreter = _xxsubinterpreters.create(isolated=False)
    try:
        _xxsubinterpreters.run_string(interpreter, code)
    except _xxsubinterpreters.RunFailedError as error:
        return str(error)

"""


def run(program, server):
    done = subprocess.run(
        [sys.executable, "-W", "ignore::UserWarning", "-c", SECOND_INTERPRETER + program],
        env=server.environ(),
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_second_interpreter_corrupted_the_first_ones_classes(server, store):
    output = run(
        f"""
from ossmodelconnector import ObjectInfo, ObjectNotFoundError, OssModelConnector
connector = OssModelConnector.from_env()
print(run_in_a_second_interpreter("import ossmodelconnector"))
with connector.open({store.uri("text.txt")!r}) as reader:
    print(len(reader.read()))
print(all(type(info) is ObjectInfo for info in connector.list({store.bucket!r})))
try:
    connector.open({store.uri("missing")!r})
except ObjectNotFoundError as error:
    print("typed")
""",
        server,
    )
    refusal, *rest = output.splitlines()
    assert "ImportError" in refusal
    assert "main interpreter" in refusal
    assert rest == [str(len(store["text.txt"])), "True", "typed"]


def test_an_import_refused_in_a_second_interpreter_works_in_the_first(server, store):
    output = run(
        f"""
print(run_in_a_second_interpreter("import ossmodelconnector"))
from ossmodelconnector import OssModelConnector
with OssModelConnector.from_env() as connector, connector.open({store.uri("text.txt")!r}) as reader:
    print(len(reader.read()))
""",
        server,
    )
    refusal, size = output.splitlines()
    assert "ImportError" in refusal
    assert size == str(len(store["text.txt"]))


def test_a_second_import_in_one_interpreter_gives_the_same_core(server):
    # As test runners do that put sys.modules back.
    output = run(
        """
from ossmodelconnector import _core
first = _core.Reader
for name in [name for name in sys.modules if name.startswith("ossmodelconnector")]:
    del sys.modules[name]
from ossmodelconnector import _core
print(_core.Reader is first, _core.__name__)
""",
        server,
    )
    assert output == "True ossmodelconnector._core\n"
