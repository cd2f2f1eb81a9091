"""The commands of `hadoop fs` that change no store. Each yields lines for stdout."""

from __future__ import annotations

import datetime as dt
import fnmatch
import grp
import posixpath
import pwd
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mrmesos.hadoop.shell_words import Call, WrongUse
from mrmesos.hadoop.stores import Entry, FsFailed
from mrmesos.io.compression.decompression import decompressed
from mrmesos.io.compression.first_bytes import HEAD_BYTES, codec_in
from mrmesos.io.compression.members import CompressionError
from mrmesos.io.fs.filesystem import reason

_COPY_BYTES = 1 << 20
_TAIL_BYTES = 1 << 10
_UNITS = ("", " K", " M", " G", " T", " P", " E")


def ls(call: Call) -> Iterator[str]:
    """`-ls`: lists directories, and names files."""
    paths = call.paths or ["."]
    recursive = call.has("R")
    for entry in call.entries(paths):
        if not entry.is_directory or call.has("d"):
            yield _line(entry, call)
            continue
        try:
            found = list(call.stores.below(entry) if recursive else call.stores.children(entry))
        except FsFailed as problem:
            call.failures.append(problem)
            continue
        if call.has("t"):
            found.sort(key=lambda each: each.modified, reverse=True)
        elif call.has("S"):
            found.sort(key=lambda each: each.size, reverse=True)
        if call.has("r"):
            found.reverse()
        if found and not recursive and not call.has("C"):
            yield f"Found {len(found)} items"
        yield from (_line(each, call) for each in found)


def _line(entry: Entry, call: Call) -> str:
    if call.has("C"):
        return entry.shown
    info = entry.info
    replicas = "-" if entry.is_directory else str(info.get("replication") or 1)
    owner, group = _owner(entry), _group(entry)
    size = _size(entry.size, call)
    when = f"{entry.modified:%Y-%m-%d %H:%M}"
    return f"{entry.mode} {replicas:>3} {owner} {group} {size:>10} {when} {entry.shown}"


def _owner(entry: Entry) -> str:
    return _account(entry, "owner", "uid", lambda number: pwd.getpwuid(number).pw_name)


def _group(entry: Entry) -> str:
    return _account(entry, "group", "gid", lambda number: grp.getgrgid(number).gr_name)


def _account(entry: Entry, field: str, id_field: str, name_of: Callable[[int], str]) -> str:
    """The name of the owner or the group. For local files, only a number is given."""
    name = entry.info.get(field)
    if name or id_field not in entry.info:
        return str(name or "-")
    try:
        return str(name_of(entry.info[id_field]))
    except KeyError:
        return str(entry.info[id_field])


def _size(size: int, call: Call) -> str:
    return human_size(size) if call.has("h") else str(size)


def human_size(size: int) -> str:
    """As Hadoop's TraditionalBinaryPrefix: `1 K`, `1.5 K`."""
    if size < 1024:
        return str(size)
    unit = min((size.bit_length() - 1) // 10, len(_UNITS) - 1)
    whole, rest = divmod(size, 1 << 10 * unit)
    if not rest:
        return f"{whole}{_UNITS[unit]}"
    shown = f"{size / (1 << 10 * unit):.1f}"
    if shown == "1024.0" and unit < len(_UNITS) - 1:
        shown, unit = "1.0", unit + 1
    return f"{shown}{_UNITS[unit]}"


def cat(call: Call) -> Iterator[str]:
    """`-cat`: the unchanged bytes."""
    for entry in call.entries():
        _copy_out(entry, call)
    yield from ()


def text(call: Call) -> Iterator[str]:
    """`-text`: the same, decompressed."""
    for entry in call.entries():
        with _opened(entry) as file:
            codec = codec_in(file.read(HEAD_BYTES))
        _copy_out(entry, call, codec)
    yield from ()


def _copy_out(entry: Entry, call: Call, codec: str | None = None) -> None:
    if entry.is_directory:
        call.fail(f"`{entry.shown}': Is a directory")
        return
    with _opened(entry, codec) as file:
        try:
            shutil.copyfileobj(file, sys.stdout.buffer, _COPY_BYTES)
        except CompressionError as problem:
            raise FsFailed(f"`{entry.shown}': {reason(problem)}") from problem
    sys.stdout.buffer.flush()


def _opened(entry: Entry, codec: str | None = None) -> Any:
    """Open for reading. Raises FsFailed."""
    try:
        file = entry.fs.open(entry.name, "rb")
        return file if codec is None else decompressed(file, codec)
    except Exception as problem:  # remote drivers raise any type
        raise FsFailed(f"`{entry.shown}': {reason(problem)}") from problem


def head(call: Call) -> Iterator[str]:
    """`-head`: the first kilobyte."""
    for entry in call.entries():
        with _opened(entry) as file:
            sys.stdout.buffer.write(file.read(_TAIL_BYTES))
    sys.stdout.buffer.flush()
    yield from ()


def tail(call: Call) -> Iterator[str]:
    """`-tail`: the last kilobyte."""
    if call.has("f"):
        raise WrongUse("-f is not supported: no store here says when a file grows")
    for entry in call.entries():
        with _opened(entry) as file:
            file.seek(max(0, entry.size - _TAIL_BYTES))
            sys.stdout.buffer.write(file.read())
    sys.stdout.buffer.flush()
    yield from ()


def du(call: Call) -> Iterator[str]:
    """`-du`: bytes of each entry and of its replicas."""
    for entry in call.entries(call.paths or ["."]):
        shown = [entry]
        if entry.is_directory and not call.has("s"):
            shown = call.stores.children(entry)
        for each in shown:
            size = _total(each, call)[2]
            copies = size * int(each.info.get("replication") or 1)
            yield f"{_size(size, call)}  {_size(copies, call)}  {each.shown}"


def _total(entry: Entry, call: Call) -> tuple[int, int, int]:
    """Directories, files and bytes of an entry, with all entries below it."""
    if not entry.is_directory:
        return 0, 1, entry.size
    below = list(call.stores.below(entry))
    directories = sum(each.is_directory for each in below)
    return 1 + directories, len(below) - directories, sum(each.size for each in below)


def count(call: Call) -> Iterator[str]:
    """`-count`: directories, files, bytes."""
    for entry in call.entries():
        directories, files, size = _total(entry, call)
        quota = f"{'none':>8} {'inf':>15} {'none':>15} {'inf':>15} " if call.has("q") else ""
        yield f"{quota}{directories:>12} {files:>12} {_size(size, call):>18} {entry.shown}"


def stat_path(call: Call) -> Iterator[str]:
    """`-stat [format]`: `%b` bytes, `%F` kind, `%n` name, `%o` block, `%r` replicas, `%y` time."""
    pattern, paths = "%y", call.paths
    if "%" in paths[0]:
        pattern, paths = paths[0], paths[1:]
    for entry in call.entries(paths):
        values = {
            "%b": str(entry.size),
            "%F": "directory" if entry.is_directory else "regular file",
            "%n": posixpath.basename(entry.name),
            "%o": str(entry.info.get("blocksize") or 0),
            "%r": str(entry.info.get("replication") or (0 if entry.is_directory else 1)),
            "%a": f"{entry.bits:o}",
            "%A": entry.mode[1:],
            "%u": _owner(entry),
            "%g": _group(entry),
            "%y": f"{_utc(entry):%Y-%m-%d %H:%M:%S}",
            "%Y": str(int(entry.modified.timestamp() * 1000)),
        }
        line = pattern
        for name, value in values.items():
            line = line.replace(name, value)
        yield line


def _utc(entry: Entry) -> dt.datetime:
    """The time of the last change. Hadoop gives it in UTC here, and in local time in `-ls`."""
    return dt.datetime.fromtimestamp(entry.modified.timestamp(), dt.UTC)


def test(call: Call) -> Iterator[str]:
    """`-test -e|-d|-f|-z|-s`: the exit code is the answer."""
    if len(call.options) != 1:
        raise WrongUse("Only one test flag is allowed" if call.options else "No test flag given")
    (option,) = call.options
    entry = call.stores.find(call.paths[0])
    holds = (
        entry is not None
        and {
            "e": True,
            "r": True,
            "w": True,
            "d": entry.is_directory,
            "f": not entry.is_directory,
            "z": not entry.is_directory and not entry.size,
            "s": entry.is_directory or entry.size > 0,
        }[option]
    )
    call.code = 0 if holds else 1
    yield from ()


def find(call: Call) -> Iterator[str]:
    """`-find PATH … [-name PATTERN] [-print]`."""
    pattern, paths = "*", list(call.paths)
    for option in ("-name", "-iname"):
        if option in paths:
            at = paths.index(option)
            if at + 1 == len(paths):
                raise WrongUse(f"{option} needs a pattern")
            pattern, paths = paths[at + 1], paths[:at] + paths[at + 2 :]
    for entry in call.entries([path for path in paths if path != "-print"]):
        below = call.stores.below(entry) if entry.is_directory else ()
        for each in (entry, *below):
            if fnmatch.fnmatch(posixpath.basename(each.name), pattern):
                yield each.shown


def getmerge(call: Call) -> Iterator[str]:
    """`-getmerge`: the files of a directory as one local file."""
    *sources, target = call.paths
    with Path(target).open("wb") as merged:
        for entry in call.entries(sources):
            files = call.stores.children(entry) if entry.is_directory else [entry]
            for each in files:
                if each.is_directory:
                    continue
                with _opened(each) as file:
                    shutil.copyfileobj(file, merged, _COPY_BYTES)
                if call.has("nl"):
                    merged.write(b"\n")
    yield from ()


def get(call: Call) -> Iterator[str]:
    """`-get`: copies to the local filesystem; `-` is stdout."""
    *sources, target = call.paths if len(call.paths) > 1 else [*call.paths, "."]
    if target == "-":
        for entry in call.entries(sources):
            _copy_out(entry, call)
        return
    into = Path(target.removeprefix("file://"))
    entries = call.entries(sources)
    if len(entries) > 1 and not into.is_dir():
        raise FsFailed(f"`{target}': No such file or directory")
    for entry in entries:
        place = into / posixpath.basename(entry.name.rstrip("/")) if into.is_dir() else into
        if not place.parent.is_dir():
            raise FsFailed(f"`{target}': No such file or directory: `{place.parent}'")
        if place.exists() and not call.has("f"):
            call.fail(f"`{place}': File exists")
            continue
        try:
            entry.fs.get(entry.name, str(place), recursive=entry.is_directory)
        except Exception as problem:  # noqa: BLE001 -- remote drivers raise any type
            call.fail(f"`{entry.shown}': {reason(problem)}")
    yield from ()
