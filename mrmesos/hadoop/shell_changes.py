"""The commands of `hadoop fs` that change a store."""

from __future__ import annotations

import posixpath
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mrmesos.hadoop.shell_words import Call, WrongUse
from mrmesos.hadoop.stores import Entry, FsFailed, hdfs_client
from mrmesos.io.fs.filesystem import reason
from mrmesos.io.fs.local import LocalFiles

_COPY_BYTES = 1 << 20


def mkdir(call: Call) -> None:
    """`-mkdir [-p]`."""
    for path in call.paths:
        entry = call.stores.find(path)
        if entry is not None:
            if not call.has("p") or not entry.is_directory:
                call.fail(f"`{path}': File exists")
            continue
        if not call.has("p") and call.stores.find(_parent(path)) is None:
            call.fail(f"`{_parent(path)}': No such file or directory")
            continue
        fs, name = call.stores.open(path)
        _try(call, path, fs.makedirs, name, exist_ok=True)


def _parent(path: str) -> str:
    head = posixpath.dirname(path.rstrip("/"))
    return head or ("/" if path.startswith("/") else ".")


def _try(call: Call, path: str, function: Any, *args: Any, **more: Any) -> bool:
    """Call a driver, and note a failure. Returns whether the call succeeded."""
    try:
        function(*args, **more)
    except Exception as problem:  # noqa: BLE001 -- remote drivers raise any type
        call.fail(f"`{path}': {reason(problem)}")
        return False
    return True


def put(call: Call) -> None:
    """`-put [-f]`: local files into a store; `-` is stdin."""
    *sources, target = call.paths if len(call.paths) > 1 else [*call.paths, "."]
    if sources == ["-"]:
        _write(call, target, sys.stdin.buffer)
        return
    for source, place in call.stores.target(target, sources):
        local = Path(source.removeprefix("file://"))
        if not local.exists():
            call.fail(f"`{source}': No such file or directory")
            continue
        if not _may_write(call, place):
            continue
        fs, name = call.stores.open(place)
        if local.is_dir():
            done = _try(call, place, fs.put, f"{local}/", f"{name}/", recursive=True)
        else:
            done = _try(call, place, fs.put_file, str(local), name)
        if done and call.has("move"):
            shutil.rmtree(local) if local.is_dir() else local.unlink()


def _may_write(call: Call, place: str) -> bool:
    """Whether a file may be written there. Its directory must exist, and nothing may be there
    without -f.
    """
    if call.stores.find(place) is not None and not call.has("f"):
        call.fail(f"`{place}': File exists")
        return False
    if call.stores.find(_parent(place)) is None:
        call.fail(f"`{place}': No such file or directory: `{_parent(place)}'")
        return False
    return True


def _write(call: Call, place: str, stream: Any) -> None:
    if _may_write(call, place):
        fs, name = call.stores.open(place)
        with fs.open(name, "wb") as file:
            shutil.copyfileobj(stream, file, _COPY_BYTES)


def append(call: Call) -> None:
    """`-appendToFile`."""
    *sources, target = call.paths
    if not sources:
        raise FsFailed("missing destination argument")
    for source in sources:
        if source != "-" and not Path(source).is_file():
            raise FsFailed(f"`{source}': No such file or directory")
    fs, name = call.stores.open(target)
    try:
        with fs.open(name, "ab") as file:
            for source in sources:
                with sys.stdin.buffer if source == "-" else Path(source).open("rb") as stream:
                    shutil.copyfileobj(stream, file, _COPY_BYTES)
    except Exception as problem:  # remote drivers raise any type
        raise FsFailed(f"`{target}': {reason(problem)}") from problem


def rm(call: Call) -> None:
    """`-rm [-r] [-f]`. There is no trash."""
    for path in call.paths:
        try:
            entries = call.stores.matching(path)
        except FsFailed as problem:
            if not call.has("f"):
                call.failures.append(problem)
            continue
        for entry in entries:
            recursive = call.has("r", "R")
            if entry.is_directory and not recursive:
                call.fail(f"`{entry.shown}': Is a directory")
            elif _try(call, entry.shown, entry.fs.rm, entry.name, recursive=recursive):
                sys.stdout.write(f"Deleted {entry.shown}\n")


def rmdir(call: Call) -> None:
    """`-rmdir`."""
    for entry in call.entries():
        if not entry.is_directory:
            call.fail(f"`{entry.shown}': Is not a directory")
        elif call.stores.children(entry):
            if not call.has("-ignore-fail-on-non-empty"):
                call.fail(f"`{entry.shown}': Directory is not empty")
        else:
            _try(call, entry.shown, entry.fs.rmdir, entry.name)


def mv(call: Call) -> None:
    """`-mv`, within one store."""
    *sources, target = call.paths
    entries = call.entries(sources)
    for entry, (_, place) in zip(entries, _targets(call, target, entries), strict=True):
        fs, name = call.stores.open(place)
        if fs is not entry.fs and type(fs) is not type(entry.fs):
            call.fail(f"`{entry.shown}': Does not match target filesystem")
        elif _is_inside(entry, fs, name):
            call.fail(f"`{entry.shown}' to `{place}': is a subdirectory of itself")
        elif _may_write(call, place):
            _try(call, entry.shown, entry.fs.mv, entry.name, name, recursive=entry.is_directory)


def _is_inside(entry: Entry, fs: Any, name: str) -> bool:
    """Whether this name is below the directory `entry` of the same store."""
    below = name.startswith(f"{entry.name.rstrip('/')}/")
    return entry.is_directory and below and type(fs) is type(entry.fs)


def _targets(call: Call, target: str, entries: list[Any]) -> list[tuple[str, str]]:
    return call.stores.target(target, [entry.shown for entry in entries]) if entries else []


def cp(call: Call) -> None:
    """`-cp [-f]`, also from one store to another."""
    *sources, target = call.paths
    entries = call.entries(sources)
    for entry, (_, place) in zip(entries, _targets(call, target, entries), strict=True):
        fs, name = call.stores.open(place)
        if _is_inside(entry, fs, name):
            call.fail(f"`{entry.shown}' to `{place}': is a subdirectory of itself")
            continue
        if not _may_write(call, place):
            continue
        base = entry.name.rstrip("/")
        files = [entry]
        if entry.is_directory:
            files = [each for each in call.stores.below(entry) if not each.is_directory]
        for each in files:
            fs, name = call.stores.open(place + each.name.removeprefix(base))
            if entry.is_directory:
                fs.makedirs(posixpath.dirname(name), exist_ok=True)
            with each.fs.open(each.name, "rb") as source, fs.open(name, "wb") as copy:
                shutil.copyfileobj(source, copy, _COPY_BYTES)


def touchz(call: Call) -> None:
    """`-touchz`: an empty file. A file that has bytes is an error."""
    for path in call.paths:
        entry = call.stores.find(path)
        if entry is not None and (entry.is_directory or (entry.size and call.name == "touchz")):
            words = "Is a directory" if entry.is_directory else "Not a zero-length file"
            call.fail(f"`{path}': {words}")
        elif entry is None or not entry.size:
            fs, name = call.stores.open(path)
            _try(call, path, fs.touch, name)


def _each(call: Call, paths: list[str]) -> Iterator[Entry]:
    """The entries of these paths, and with -R all entries below them."""
    for entry in call.entries(paths):
        yield entry
        if call.has("R") and entry.is_directory:
            yield from call.stores.below(entry)


def chmod(call: Call) -> None:
    """`-chmod [-R] MODE`: 755, or u+x,go-w. In a store without modes, nothing changes."""
    mode, *paths = call.paths
    if not _MODE.fullmatch(mode):
        raise WrongUse(f"chmod : mode '{mode}' does not match the expected pattern.")
    for entry in _each(call, paths):
        bits = _changed(entry, mode)
        if isinstance(entry.fs, LocalFiles):
            _try(call, entry.shown, Path(entry.name).chmod, bits)
        elif (client := hdfs_client(entry.fs)) is not None:
            _try(call, entry.shown, client.set_permission, entry.name, bits)


_CLAUSE = r"[ugoa]*[+=-][rwxXt]*"
_MODE = re.compile(rf"[01]?[0-7]{{3}}|{_CLAUSE}(,{_CLAUSE})*")
_WHO = {"u": 0o700, "g": 0o070, "o": 0o007}
_WHAT = {"r": 0o444, "w": 0o222, "x": 0o111}


def _changed(entry: Entry, mode: str) -> int:
    """The permissions of an entry after a `chmod` of this mode."""
    if mode.isdigit():
        return int(mode, 8)
    bits = entry.bits
    for clause in mode.split(","):
        who, sign, what = re.split(r"([+=-])", clause, maxsplit=1)
        mine = sum(mask for name, mask in _WHO.items() if not who or name in who or "a" in who)
        named = 0
        for letter in what:
            if letter == "X":  # x for directories, and for files that somebody may run
                named |= _WHAT["x"] if entry.is_directory or bits & 0o111 else 0
            elif letter == "t":
                named |= 0o1000
                mine |= 0o1000
            else:
                named |= _WHAT[letter]
        if sign == "=":
            bits = bits & ~mine | named & mine
        else:
            bits = bits | named & mine if sign == "+" else bits & ~(named & mine)
    return bits


def chown(call: Call) -> None:
    """`-chown [-R] OWNER[:GROUP]`, `-chgrp`: on HDFS."""
    who, *paths = call.paths
    owner, _, group = (":" + who if call.name == "chgrp" else who).partition(":")
    for entry in _each(call, paths):
        if (client := hdfs_client(entry.fs)) is not None:
            _try(call, entry.shown, client.set_owner, entry.name, owner or None, group or None)


def setrep(call: Call) -> Iterator[str]:
    """`-setrep [-R] [-w] N`: on HDFS, for all files of a directory. It does not wait."""
    number, *paths = call.paths
    if not number.isdigit():
        raise WrongUse("Illegal replication, a positive integer expected")
    if not int(number):
        raise WrongUse("replication must be >= 1")
    call.options.add("R")
    for entry in _each(call, paths):
        if entry.is_directory:
            continue
        client = hdfs_client(entry.fs)
        if client is None or _try(
            call, entry.shown, client.set_replication, entry.name, int(number)
        ):
            yield f"Replication {number} set: {entry.shown}"


def nothing(call: Call) -> None:
    """`-expunge`: there is no trash."""
    call.entries(call.paths[1:])
