"""Patterns of input paths: braces, lists with commas, and the walk that finds what matches.

Input: a pattern, and a `Directories` that lists a store. Output: the entries that match. Errors of
the store go to the caller; none is ignored. Thread: the caller's.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Protocol

import msgspec

MAX_ALTERNATIVES = 10_000
"""Most patterns that the braces of one pattern may stand for."""
_MAGIC = re.compile(r"[*?\[]")
_SCHEME_AFTER_COMMA = re.compile(r",(?=[A-Za-z][A-Za-z0-9+.\-]*://)")

Info = dict[str, Any]
"""fsspec's facts about a file: `name` (the path), `type`, and `islink` for local files."""


class TooMany(ValueError):
    """Braces stand for more patterns than MAX_ALTERNATIVES."""


class Directories(Protocol):
    """A store, as the walk sees it. Exceptions of its methods go to the caller of `matches`."""

    def children(self, paths: Sequence[str]) -> list[list[tuple[str, Info]]]:
        """The entries of each directory, with their names. A path that is no directory has none."""

    def lookup(self, path: str) -> Info | None:
        """The entry at a path, after following links. None if nothing exists there."""

    def resolved(self, info: Info) -> Info | None:
        """The target of a listed link; None if it does not exist. Other entries are returned
        unchanged.
        """

    def identity(self, path: str) -> Hashable:
        """Equal for two paths of the same directory."""


def has_magic(text: str) -> bool:
    """Whether the text has a wildcard. Braces do not count, because `braces` expands them
    earlier.
    """
    return _MAGIC.search(text) is not None


def is_hidden(name: str) -> bool:
    """Whether patterns and directories ignore the name, as in Hadoop."""
    return name.startswith(("_", "."))


def uri_list(text: str) -> list[str]:
    """Split a list at commas that a URI with a scheme follows. No path contains `,s3://`."""
    return [part for part in _SCHEME_AFTER_COMMA.split(text) if part]


def comma_list(text: str) -> list[str]:
    """The parts of a list with commas. Commas in braces and in `[...]` do not separate."""
    return [part for part in _split(text) if part]


def braces(text: str) -> list[str]:
    """The patterns that `{a,b}` stands for, also nested. Raises TooMany.

    As in a shell, braces without a comma or without a partner are plain characters.
    """
    found: list[str] = []
    waiting = [text]
    while waiting:
        one = waiting.pop()
        at = _first_braces(one)
        if at is None:
            found.append(one)
        else:
            begin, end = at
            parts = _split(one[begin + 1 : end], in_classes=True)
            waiting += [one[:begin] + part + one[end + 1 :] for part in reversed(parts)]
        if len(found) + len(waiting) > MAX_ALTERNATIVES:
            raise TooMany(f"its braces stand for more than {MAX_ALTERNATIVES} patterns")
    return list(dict.fromkeys(found))


def _first_braces(text: str) -> tuple[int, int] | None:
    """The beginning and the end of the first braces that contain a comma."""
    open_at: list[int] = []
    commas: list[bool] = []
    found: list[tuple[int, int]] = []
    for at, char in enumerate(text):
        if char == "{":
            open_at.append(at)
            commas.append(False)
        elif char == "," and commas:
            commas[-1] = True
        elif char == "}" and open_at:
            begin, comma = open_at.pop(), commas.pop()
            if comma:
                found.append((begin, at))
    return min(found, default=None)


def _split(text: str, in_classes: bool = False) -> list[str]:
    """Split at commas outside braces, and outside `[...]` unless `in_classes`."""
    parts = [""]
    depth, at = 0, 0
    closed = [False] * (len(text) + 1)  # whether a `}` follows that belongs to a `{` here
    pairs: list[int] = []
    for place, char in enumerate(text):
        if char == "{":
            pairs.append(place)
        elif char == "}" and pairs:
            closed[pairs.pop()] = True
    while at < len(text):
        char = text[at]
        if char == "[" and not in_classes:
            end = text.find("]", at + 2)
            if end > 0 and "/" not in text[at:end]:
                parts[-1] += text[at : end + 1]
                at = end + 1
                continue
        if char == "{" and closed[at]:
            depth += 1
        elif char == "}" and depth:
            depth -= 1
        if char == "," and not depth:
            parts.append("")
        else:
            parts[-1] += char
        at += 1
    return parts


class _Place(msgspec.Struct, frozen=True):
    """A path that the walk has reached, and what is known about it."""

    path: str
    info: Info | None = None


def matches(root: str, pattern: str, directories: Directories) -> list[Info]:
    """The entries below the directory `root` that match `pattern`, which has no braces.

    `*`, `?` and `[...]` match within a name. `**` between two `/` matches any number of
    directories. At the end `**` matches only files. A part matches a hidden name only if the part
    itself begins with `_` or `.`. Links are followed, but the walk never enters a directory again
    below itself, because links may form a circle. A link to nothing also matches. Each directory is
    listed once.
    """
    parts = [part for part in pattern.split("/") if part]
    places = [_Place(root)]
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == "**":
            if last:
                return _unique(_all_files(places, directories))
            places = _descend(places, directories)
        elif has_magic(part):
            matching = _matcher(part)
            places = [
                _Place(info["name"], info)
                for listing in directories.children([place.path for place in places])
                for name, info in listing
                if matching(name) and (last or _is_directory(info, directories))
            ]
        else:
            places = [_Place(_join(place.path, part)) for place in places]
    found = [place.info or directories.lookup(place.path) for place in places]
    return _unique(info for info in found if info is not None)


def _all_files(places: Iterable[_Place], directories: Directories) -> list[Info]:
    below = _descend(places, directories)
    return [
        info
        for listing in directories.children([place.path for place in below])
        for name, info in listing
        if not is_hidden(name) and not _is_directory(info, directories)
    ]


def _descend(places: Iterable[_Place], directories: Directories) -> list[_Place]:
    """The places and all directories below them that are not hidden, level by level."""
    level: list[tuple[_Place, tuple[str, ...]]] = [(place, (place.path,)) for place in places]
    found: dict[str, _Place] = {}
    while level:
        level = [each for each in level if each[0].path not in found]
        found |= {place.path: place for place, _ in level}
        listings = directories.children([place.path for place, _ in level])
        level = [
            (_Place(info["name"], info), (*above, info["name"]))
            for (_, above), listing in zip(level, listings, strict=True)
            for name, info in listing
            if not is_hidden(name)
            and _is_directory(info, directories)
            and not (info.get("islink") and _goes_round(info["name"], above, directories))
        ]
    return list(found.values())


def _goes_round(link: str, above: Iterable[str], directories: Directories) -> bool:
    """Whether the link leads to one of the directories that contain it."""
    target = directories.identity(link)
    return any(directories.identity(each) == target for each in above)


def _is_directory(info: Info, directories: Directories) -> bool:
    target = directories.resolved(info)
    return target is not None and target["type"] == "directory"


def _matcher(part: str) -> Callable[[str], bool]:
    matching = re.compile(fnmatch.translate(_with_pythons_not(part))).match
    wants_hidden = is_hidden(part)
    return lambda name: matching(name) is not None and (wants_hidden or not is_hidden(name))


def _join(directory: str, name: str) -> str:
    return f"{directory.rstrip('/')}/{name}" if directory else name


def _unique(infos: Iterable[Info]) -> list[Info]:
    """Each entry once. On an object store, a file and a directory may have the same name."""
    return list({(info["name"], info["type"]): info for info in infos}.values())


def _with_pythons_not(part: str) -> str:
    """Replace `[^a]` by `[!a]`. Shells and Hadoop know both. In Python, `[^a]` matches `a`."""
    made, at = "", 0
    while at < len(part):
        end = (
            part.find("]", at + 2 + (part[at + 1 : at + 2] in ("!", "^")))
            if part[at] == "["
            else -1
        )
        if end < 0:
            made += part[at]
            at += 1
            continue
        inner = part[at + 1 : end]
        made += f"[!{inner[1:]}]" if inner.startswith("^") else f"[{inner}]"
        at = end + 1
    return made
