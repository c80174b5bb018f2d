"""The protocol of node copies, step by step, under schedules that are made by chance.

Threads stand for processes: their locks are of open files, not of processes. They pause before and
after each step, and some die, which to others is a descriptor that is closed.
"""

from __future__ import annotations

import os
import random
import threading
import time

import pytest
from ossmodelconnector._node_copy import _locks, _take
from ossmodelconnector._node_copy._folder import Folder
from ossmodelconnector._node_copy._names import Key
from ossmodelconnector._node_copy._take import Mine, Theirs, Whole

KEY = Key("0" * 24, "1" * 24)
DATA = b"data"


def pause():
    if random.random() < 0.3:
        time.sleep(random.random() / 500)


def pausing(step):
    def paused(*arguments, **named):
        pause()
        try:
            return step(*arguments, **named)
        finally:
            pause()

    return paused


class PausingFolder(Folder):
    """A folder whose steps take a while."""

    open = pausing(Folder.open)
    leads_to = pausing(Folder.leads_to)
    exists = pausing(Folder.exists)
    rename = pausing(Folder.rename)
    unlink = pausing(Folder.unlink)


class Process:
    """Uses the file again and again, until it dies or the time is over."""

    def __init__(self, top, chance, until):
        self._folder = PausingFolder(str(top))
        self._chance = chance
        self._until = until
        self._mine = []  # what it holds
        self.fetched = self.used = 0
        self.died = False

    def run(self):
        while time.monotonic() < self._until and not self.died:
            if self._chance.random() < 0.05:
                _take.sweep(self._folder, [KEY])
            self._use()
            if not self.died:
                for held in reversed(self._mine):
                    held.release()
                self._mine.clear()

    def _use(self):
        while True:
            taken = _take.take(self._folder, KEY, len(DATA), keep=False)
            if taken is not None:
                self._mine.append(taken.pin)
            if isinstance(taken, Mine):
                self._mine.append(taken.lock)
                self._fetch(taken)
                return
            if isinstance(taken, Whole):
                self._read(taken)
                return
            assert taken is None or isinstance(taken, Theirs)
            pause()

    def _fetch(self, mine):
        # Nobody else does, and it is not there.
        assert not any(self._folder.exists(name.text) for name in KEY.wholes())
        assert self._folder.leads_to(KEY.part, mine.pin.fd)
        os.pwrite(mine.pin.fd, b"xxxx", 0)
        if self._dies(0.1) or self._chance.random() < 0.2:  # it fails
            return
        pause()
        os.pwrite(mine.pin.fd, DATA, 0)
        _take.publish(self._folder, KEY, mine, "crc64", keep=False)
        self.fetched += 1
        self._dies(0.1)

    def _read(self, whole):
        assert os.pread(whole.pin.fd, 9, 0) == DATA
        # It keeps its name as long as it is in use, so that others find it.
        assert any(self._folder.leads_to(name.text, whole.pin.fd) for name in KEY.wholes())
        self.used += 1
        self._dies(0.03)

    def _dies(self, likelihood):
        self.died = self._chance.random() < likelihood
        if self.died:
            for held in self._mine:
                end = held._end.detach()
                if end is not None:
                    os.close(held.fd if isinstance(held, _locks.Pin) else held._fd)
        return self.died


@pytest.mark.parametrize("seconds", [3, pytest.param(60, marks=pytest.mark.long)])
def test_file_that_is_used_has_its_name_and_is_filled_by_one_alone(copies, monkeypatch, seconds):
    for module in (_take, _locks):
        for name in ("lock_alone", "lock_shared"):
            monkeypatch.setattr(module, name, pausing(getattr(_locks, name)))
    seed = int(time.time())
    until = time.monotonic() + seconds
    errors, ended = [], []

    def live(number):
        life = 0
        while time.monotonic() < until:
            life += 1
            process = Process(copies.top, random.Random(f"{seed}.{number}.{life}"), until)
            try:
                process.run()
            except BaseException as error:
                errors.append(error)
                return
            ended.append(process)

    threads = [threading.Thread(target=live, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + 60)
    assert errors == [], f"seed {seed}"
    assert sum(process.fetched for process in ended) > 0
    assert sum(process.used for process in ended) > 0
    assert sum(process.died for process in ended) > 0
    _take.sweep(Folder(str(copies.top)), [])  # as the next start does
    assert copies.names() == []
