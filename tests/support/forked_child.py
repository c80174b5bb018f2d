"""Work in a forked child of the test."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any


def in_child(work: Callable[[], Any]) -> Any:
    """Runs `work` in a forked child and returns its result, which must be JSON."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            result = work()
            with open(write_end, "w") as pipe:
                json.dump(result, pipe)
            status = 0
        except BaseException as error:
            with open(write_end, "w") as pipe:
                json.dump(f"{type(error).__name__}: {error}", pipe)
        finally:
            os._exit(status)
    os.close(write_end)
    with open(read_end) as pipe:
        text = pipe.read()
    assert os.waitpid(child, 0)[1] == 0, text
    return json.loads(text)
