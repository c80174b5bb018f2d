"""Which object becomes which file, and which cannot: decided before the first byte. Pure."""

from __future__ import annotations

import fnmatch
import shlex
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ossmodelconnector.command._exits import CommandError, Exit
from ossmodelconnector.command._local_files import UNFINISHED

if TYPE_CHECKING:
    from ossmodelconnector._objects import ObjectInfo
    from ossmodelconnector.command._uris import Found

__all__ = ["Item", "Plan", "check_case", "chosen", "plan"]

_LONGEST_PATH = 4096  # with the byte that ends it, on Linux
_MOST_SHOWN = 5


class Item(NamedTuple):
    """An object and its file.

    Attributes:
        info: the object.
        parts: the file's name below the folder, in UTF-8.
    """

    info: ObjectInfo
    parts: tuple[bytes, ...]

    @property
    def name(self) -> str:
        """For people."""
        return b"/".join(self.parts).decode()

    @property
    def version(self) -> str:
        """What tells this version of the object from others."""
        info = self.info
        return f"{info.uri}\n{info.etag}\n{info.size}\n{info.last_modified.timestamp()}"


class Plan(NamedTuple):
    """Files to write, and folders that are there for themselves."""

    items: list[Item]
    folders: list[tuple[bytes, ...]]


def chosen(
    found: Found, uri: str, include: Sequence[str], exclude: Sequence[str]
) -> list[tuple[str, ObjectInfo]]:
    """The objects whose names the patterns take, with those names.

    Args:
        found: what there is.
        uri: where.
        include: patterns of the shell, of which one must match; none: all do. ``*`` takes slashes
            too, and one that ends in ``/`` all below.
        exclude: patterns of which none may match.

    Raises:
        CommandError: they leave nothing.
    """
    named = [(info.key[len(found.prefix) :], info) for info in found.objects]
    left = [
        (name, info)
        for name, info in named
        if (not include or _matches(name, include)) and not _matches(name, exclude)
    ]
    if not left:
        raise CommandError(
            f"none of the {len(found.objects)} objects is left by --include and --exclude",
            thing=uri,
            exit_code=Exit.NOT_FOUND,
            next_step=f"ossmc ls -r {uri}",
        )
    return left


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(
        fnmatch.fnmatchcase(name, f"{pattern}*" if pattern.endswith("/") else pattern)
        for pattern in patterns
    )


def plan(named: Iterable[tuple[str, ObjectInfo]], root: bytes, longest_name: int) -> Plan:
    """Makes files of objects.

    Args:
        named: names and objects.
        root: the folder's absolute path.
        longest_name: in bytes, of a file there.

    Raises:
        CommandError: a key that no file can have, or two that one would have; it names them.
    """
    problems: list[tuple[str, str]] = []
    items: list[Item] = []
    folders: list[tuple[bytes, ...]] = []
    for name, info in named:
        fault = _fault(name, info, root, longest_name)
        if fault:
            problems.append((name, f"{info.uri}: {fault}"))
        elif name.endswith("/"):
            folders.append(tuple(name[:-1].encode().split(b"/")))
        elif name:
            items.append(Item(info, tuple(name.encode().split(b"/"))))
    files = {item.parts: item.info for item in items}
    of_folders = [(item.parts, item.info.uri, len(item.parts)) for item in items]
    of_folders += [(parts, "a folder marker", len(parts) + 1) for parts in folders]
    for parts, uri, end in of_folders:
        for depth in range(1, end):
            other = files.get(parts[:depth])
            if other is not None:
                name = b"/".join(parts[:depth]).decode()
                text = f"{other.uri}: {uri} lies below it, and no name is a file and a folder"
                problems.append((name, text))
    _refuse(problems)
    return Plan(items, folders)


def check_case(items: Iterable[Item]) -> None:
    """Refuses names that are one on a file system that takes no notice of case."""
    seen: dict[str, Item] = {}
    problems = []
    for item in items:
        other = seen.setdefault(item.name.casefold(), item)
        if other is not item:
            text = f"{item.info.uri}: this folder takes no notice of case, so it is one file with "
            problems.append((item.name, text + other.info.uri))
    _refuse(problems)


def has_twins(items: Sequence[Item]) -> bool:
    """Whether names differ in case alone."""
    return len({item.name.casefold() for item in items}) < len(items)


def _fault(name: str, info: ObjectInfo, root: bytes, longest_name: int) -> str:
    if name.endswith("/") or not name:
        if info.size:
            return f"its name ends in a slash and it has {info.size} bytes: no file can be so"
        name = name[:-1]
        if not name:
            return ""  # a marker of the folder itself
    parts = name.encode().split(b"/")
    if name.startswith("/"):
        return "its name begins with a slash, and would lead out of the folder"
    if b".." in parts or b"." in parts:
        return "its name has . or .. for a folder, and would lead out of the folder or to another"
    if b"" in parts:
        return "its name has two slashes in a row: as a file it would be another one"
    if "\0" in name:
        return "its name has a zero byte, which no file's can have"
    if any(UNFINISHED.match(part) for part in parts):
        return "its name is one of those that pull has for unfinished files"
    longest = max(map(len, parts))
    if longest > longest_name:
        return f"a part of its name has {longest} bytes, and {longest_name} are possible"
    # What is written first has a longer name, if this one is short.
    path = len(root) + 1 + max(len(name.encode()), len(name.encode()) - len(parts[-1]) + 45)
    if path >= _LONGEST_PATH:
        return f"its path would have {path} bytes, and {_LONGEST_PATH - 1} are possible"
    return ""


def _refuse(problems: Sequence[tuple[str, str]]) -> None:
    if not problems:
        return
    lines = [text for _, text in problems[:_MOST_SHOWN]]
    if len(problems) > _MOST_SHOWN:
        lines.append(f"and {len(problems) - _MOST_SHOWN} more")
    words = " ".join(f"--exclude {_pattern(name)}" for name, _ in problems[:_MOST_SHOWN])
    raise CommandError(
        "nothing was done, for some keys cannot be files: " + "; ".join(lines),
        thing=problems[0][1].partition(": ")[0],
        exit_code=Exit.FAILED,
        next_step=f"the same command with {words}, and: ossmc cat URI > FILE",
    )


def _pattern(name: str) -> str:
    """One that matches that name, and no other."""
    return shlex.quote("".join(f"[{char}]" if char in "*?[" else char for char in name))
