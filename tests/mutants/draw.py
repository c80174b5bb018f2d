"""Which lines are changed, and how: decided by a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from support.measure_coverage import ROOT

from .operators import changes, read_enums
from .source import Source


@dataclass(frozen=True)
class Mutant:
    """Line `line` of `file` (below the root), changed from `before` to `after`."""

    draw: int
    file: str
    line: int
    operator: str
    before: str
    after: str

    @property
    def floor(self) -> str:
        return self.file.split("/")[1]


def drawn(lines: Mapping[str, Sequence[int]], seed: int) -> Iterator[Mutant]:
    """Random lines, from each floor in turn, one random change of each.

    A line's place comes from the seed and the line alone: what threads ran by chance, and so is
    in `lines` today, does not move the others.
    """
    enums = read_enums(ROOT / "csrc")
    floors: dict[str, list[tuple[float, str, int]]] = {}
    for file, numbers in lines.items():
        floor = floors.setdefault(file.split("/")[1], [])
        floor += ((_chance(seed, file, number).random(), file, number) for number in numbers)
    sources = {file: Source(ROOT / file) for file in lines}

    def mutants(places: Sequence[tuple[float, str, int]]) -> Iterator[Mutant]:
        for _, file, number in places:
            possible = changes(sources[file], number, enums)
            if possible:
                change = _chance(seed + 1, file, number).choice(possible)
                before = sources[file].lines[number - 1]
                yield Mutant(0, file, number, change.operator, before, change.after)

    # The end of the smallest floor is far off.
    turns = zip(*(mutants(sorted(places)) for _, places in sorted(floors.items())))
    for draw, mutant in enumerate((one for turn in turns for one in turn), 1):
        yield replace(mutant, draw=draw)


def _chance(seed: int, file: str, number: int) -> random.Random:
    return random.Random(f"{seed} {file} {number}")
