"""Planning splits from input URIs, like Hadoop's FileInputFormat and CombineFileInputFormat.

Input: URIs, formats and settings. Output: splits. Directories are read one level deep, as Hadoop
does by default; `**` in a pattern goes deeper. Thread: a planning thread of the JobTracker.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from functools import partial
from itertools import chain
from typing import Any

import msgspec

from mrmesos import conf as settings
from mrmesos.api.formats import InputFormat, Source
from mrmesos.api.split import FileSlice, InputTable, Split
from mrmesos.conf import Conf
from mrmesos.io.compression.first_bytes import codec_of
from mrmesos.io.fs.block_locations import Blocks, locate
from mrmesos.io.fs.filesystem import InputError, open_filesystem, uri_of
from mrmesos.io.fs.store_calls import answered, caller
from mrmesos.io.input.formats.registry import (
    check_input,
    lines_per_map,
    maps_empty_files,
    splits_files,
)
from mrmesos.io.input.host_packing import hosts_of, pack_by_host, pieces
from mrmesos.io.input.input_tables import ReadFooters, footers_aside, input_table
from mrmesos.io.input.line_slices import line_slices
from mrmesos.io.input.listing import Listing
from mrmesos.io.input.patterns import (
    Info,
    TooMany,
    braces,
    comma_list,
    has_magic,
    is_hidden,
    matches,
    uri_list,
)
from mrmesos.io.output.output_dir import PLAN, SUCCESS

_VERSIONS = ("ETag", "etag", "md5Hash", "LastModified", "modification_time", "mtime")
"""Entries of fsspec's `info` that change when a file is written again. Each driver has its own."""

SMALL_INPUT_BYTES = 1 << 20
"""Less input than this makes one map, unless the job says how many it wants. A second worker takes
0.2 s of CPU to start; in that time the first one counts the words of 2 to 3 MB.
"""
OPENING_BYTES = 16 << 10
"""A file counts as this many more bytes, because opening it takes time."""


class Plan(msgspec.Struct, frozen=True):
    """The splits of all maps of a job, and what planning has decided about columns."""

    splits: list[Split]
    tables: tuple[InputTable, ...]


class FileInfo(msgspec.Struct, frozen=True):
    """One input file. `size` is in stored bytes, and -1 if the filesystem does not tell it.

    `version` changes when the file is written again, if the filesystem shows that.
    """

    uri: str
    size: int
    splittable: bool
    version: str = ""


def expand_inputs(uris: Sequence[str]) -> list[FileInfo]:
    """The files of `uris` (files, directories, patterns), sorted by URI.

    A path that exists is taken literally, even if it contains pattern characters. Otherwise commas
    separate inputs, and `*`, `?`, `[...]`, `**` and `{a,b}` form a pattern. Files and directories
    whose name begins with `_` or `.` are ignored unless the URI names them. A file that is named
    twice is read twice, as in Hadoop. An empty directory is an empty input.

    Raises InputError if a path does not exist, a pattern matches nothing, a directory cannot be
    listed, or an input directory contains a directory.
    """
    found = [info for uri in uris for info in _expand(uri)]
    found.sort(key=lambda info: info.uri)
    return found


def part_files(uri: str) -> list[FileInfo]:
    """The files `part-*` in the directory `uri`, taken literally. Empty if it is no directory."""
    fs, path = open_filesystem(uri)
    fs.invalidate_cache()
    listing = Listing(fs, uri)
    infos = [_resolved(listing, info, uri) for info in matches(path, "part-*", listing)]
    files = [_file(fs, info, uri) for info in infos if info["type"] != "directory"]
    return sorted(files, key=lambda file: file.uri)


def plan_splits(uris: Sequence[str], input_format: InputFormat, conf: Conf) -> list[Split]:
    """The splits of all maps over `uris`; see `plan_sources`."""
    return plan_sources((Source("", tuple(uris), input_format),), conf).splits


def plan_sources(
    sources: Sequence[Source], conf: Conf, *, read_footers: ReadFooters = footers_aside
) -> Plan:
    """The splits of all maps over a job's inputs, one input after another.

    The target size is Hadoop's goal size, `total / job.maps`, but at least `split.minsize` and at
    most `split.maxsize`. A small input is one map, unless the job sets `job.maps` (`least_maps`).
    Larger files are cut, and smaller ones are packed together in order.
    Compressed files and files of formats that cannot be cut stay whole. Readers work with any cut.
    If block locations are known, files are also cut at blocks, and small slices are packed by host.
    A file without bytes makes no split, or one of its own if the format says so.

    Raises InputError like `expand_inputs` and `check_input`. Also raises it for more than
    `job.maps.max` splits.
    """
    for source in sources:
        check_input(source.format)
    inputs, tables = planned_inputs(sources, read_footers)
    answered()
    total = sum(max(info.size, 0) for _, files in inputs for info in files)
    largest = conf.get_as(settings.SPLIT_MAXSIZE)
    maps = least_maps(total, sum(len(files) for _, files in inputs), conf)
    goal = max(conf.get_as(settings.SPLIT_MINSIZE), -(-total // maps))
    goal = max(1, min(largest, goal))
    most = conf.get_as(settings.JOB_MAPS_MAX)
    splits: list[Split] = []
    blocks: Blocks = {}
    if total <= goal * most:
        blocks = locate([(info.uri, info.size) for _, files in inputs for info in files], conf)
    for split in chain.from_iterable(
        _by_lines(source, files, blocks)
        if lines_per_map(source.format)
        else chain(
            _packed(_cut(files, goal, source.format, blocks), goal, largest, source.name, blocks),
            _of_nothing(source, files),
        )
        for source, files in inputs
    ):
        if len(splits) == most:
            uris = ", ".join(uri for source in sources for uri in source.uris)
            raise InputError(
                f"{uris}: the input makes more than {settings.JOB_MAPS_MAX.name}={most} "
                f"splits of {goal} bytes; raise {settings.SPLIT_MAXSIZE.name}"
            )
        splits.append(split)
    return Plan(splits, tuple(tables.values()))


def least_maps(total: int, files: int, conf: Conf) -> int:
    """Target for the least number of maps, for an input of `total` bytes in this many files."""
    is_small = total + files * OPENING_BYTES < SMALL_INPUT_BYTES
    return 1 if is_small and settings.JOB_MAPS.name not in conf else conf.get_as(settings.JOB_MAPS)


def planned_inputs(
    sources: Sequence[Source], read_footers: ReadFooters
) -> tuple[list[tuple[Source, Sequence[FileInfo]]], dict[str, InputTable]]:
    """The files of each input, and the tables of inputs by name. Raises InputError."""
    inputs: list[tuple[Source, Sequence[FileInfo]]] = []
    tables: dict[str, InputTable] = {}
    for source in sources:
        table, files = input_table(source, expand_inputs(source.uris), read_footers)
        inputs.append((source, files))
        if table is not None:
            tables[source.name] = table
    return inputs, tables


def _cut(
    files: Iterable[FileInfo], goal: int, fmt: InputFormat, blocks: Blocks
) -> Iterator[tuple[FileSlice, int]]:
    """Slices of at most `goal` bytes, except files that stay whole, each with its size."""
    said = getattr(fmt, "compression", "")
    whole = not splits_files(fmt) or said not in ("", "none")
    for info in files:
        splittable = info.splittable or said == "none"
        if whole or not splittable or info.size < 0:
            if info.size != 0:
                yield FileSlice(info.uri, 0, -1), max(info.size, 0)
            continue
        for start, length in pieces(info.size, goal, blocks.get(info.uri, ())):
            yield FileSlice(info.uri, start, length), length


def _by_lines(source: Source, files: Iterable[FileInfo], blocks: Blocks) -> Iterator[Split]:
    """A split for every `lines` lines of a file, and one for a file that cannot be cut."""
    for info in files:
        if not info.size:
            continue
        said = getattr(source.format, "compression", "")
        whole = said not in ("", "none") or info.size < 0
        whole = whole or not (info.splittable or said == "none")
        for piece in (
            (FileSlice(info.uri, 0, -1),)
            if whole
            else line_slices(info.uri, lines_per_map(source.format))
        ):
            hosts = hosts_of([piece], blocks)
            yield Split((piece,), max(piece.length, 0), hosts, source=source.name)


def _of_nothing(source: Source, files: Iterable[FileInfo]) -> Iterator[Split]:
    """A split for each file without bytes, for formats whose maps process such files."""
    if maps_empty_files(source.format):
        for info in files:
            if info.size == 0:
                yield Split((FileSlice(info.uri, 0, -1),), 0, source=source.name)


def _packed(
    slices: Iterable[tuple[FileSlice, int]], goal: int, most: int, source: str, blocks: Blocks
) -> Iterable[Split]:
    """Pack slices into splits, by host if block locations are known."""
    pack = partial(_pack, goal=goal, most=most, source=source)
    return pack_by_host(list(slices), goal, blocks, pack) if blocks else pack(slices)


def _pack(
    slices: Iterable[tuple[FileSlice, int]], goal: int, most: int, source: str
) -> Iterator[Split]:
    """Pack slices in order. A split ends where the total is nearest to a multiple of `goal`.

    So 1,800 small files and eight maps give eight splits of similar size. Filling each split up to
    the goal would leave a small ninth. A split of several slices never exceeds `most`.
    """
    together: list[FileSlice] = []
    size, passed, boundary = 0, 0, goal
    for piece, length in slices:
        middle = passed + size + length / 2
        if together and (middle > boundary or size + length > most):
            yield Split(tuple(together), size, source=source)
            passed += size
            together, size = [], 0
        if not together:
            boundary = (int(middle) // goal + 1) * goal
        together.append(piece)
        size += length
    if together:
        yield Split(tuple(together), size, source=source)


def _expand(uri: str) -> list[FileInfo]:
    """The files of one input, or of each input in a list with commas."""
    uris = uri_list(uri)
    if len(uris) > 1:
        return [info for each in uris for info in _expand(each)]
    caller(uri)()  # opening the filesystem may already call the store
    fs, path = open_filesystem(uri)
    # A JobTracker runs for weeks, so listings that fsspec has cached may be old.
    fs.invalidate_cache()
    listing = Listing(fs, uri)
    info = _literal(listing, path)
    if info is not None:
        return _files_of(listing, info, uri)
    parts = comma_list(uri)
    if len(parts) > 1:
        return [info for each in parts for info in _expand(_checked_part(each, uri))]
    return _matching(listing, path, uri)


def _literal(listing: Listing, path: str) -> Info | None:
    try:
        return listing.lookup(path)
    except InputError as exc:
        if isinstance(exc.__cause__, PermissionError) and has_magic(path):
            return None  # the pattern's own listing names the directory
        raise


def _checked_part(part: str, whole: str) -> str:
    if "://" in whole and "://" not in part and not part.startswith("/"):
        raise InputError(f"{whole}: does not exist. If it is a list, {part} has no scheme://")
    return part


def _matching(listing: Listing, path: str, uri: str) -> list[FileInfo]:
    """The files that a pattern stands for."""
    try:
        patterns = braces(path)
    except TooMany as exc:
        raise InputError(f"{uri}: {exc}; give several inputs") from exc
    if patterns == [path] and not has_magic(path):
        raise InputError(f"{uri}: input does not exist")
    found: dict[tuple[str, str], Info] = {}
    for pattern in patterns:
        infos = _matches(listing, pattern)
        if not infos and not has_magic(pattern):
            raise InputError(f"{uri}: {uri_of(listing.fs, pattern)} does not exist")
        found |= {(info["name"], info["type"]): info for info in infos}
    if not found:
        raise InputError(f"{uri}: no file matches this pattern")
    resolved = [_resolved(listing, info, uri) for info in found.values()]
    passed = {info["name"] for info in resolved} if "**" in path.split("/") else set()
    files = [file for info in resolved for file in _files_of(listing, info, uri, passed)]
    if not passed:
        return files
    # `**/*` matches a directory, and what is in it as well.
    return list({file.uri: file for file in files}.values())


def _matches(listing: Listing, pattern: str) -> list[Info]:
    """The entries that match a pattern. Directories before its first wildcard are not listed."""
    parts = pattern.split("/")
    fixed = next((i for i, part in enumerate(parts) if has_magic(part)), len(parts) - 1)
    root = "/".join(parts[:fixed]) or ("/" if pattern.startswith("/") else "")
    return matches(root, "/".join(parts[fixed:]), listing)


def _files_of(
    listing: Listing, info: Info, uri: str, passed: Set[str] = frozenset()
) -> list[FileInfo]:
    """The file of `info`, or the files in the directory of `info`.

    A directory in it is an error, unless it is one of `passed`, which are themselves inputs.
    """
    info = _resolved(listing, info, uri)
    if info["type"] != "directory":
        return [_file(listing.fs, info, uri)]
    files = []
    [entries] = listing.children([info["name"]])
    _check_committed(uri, {name for name, _ in entries})
    for name, raw in entries:
        if is_hidden(name):
            continue
        entry = _resolved(listing, raw, uri)
        if entry["type"] != "directory":
            files.append(_file(listing.fs, entry, uri))
        elif entry["name"] not in passed:
            directory = uri_of(listing.fs, info["name"].rstrip("/"))
            within = uri_of(listing.fs, entry["name"].rstrip("/"))
            raise InputError(
                f"{uri}: contains the directory {within}; to read it too, use the pattern "
                f"{directory}/**"
            )
    return files


def _check_committed(uri: str, names: Set[str]) -> None:
    """Refuse a directory that may be a part of an output, because its job died during the
    commit.
    """
    if PLAN in names and SUCCESS not in names:
        raise InputError(
            f"{uri}: is an output whose commit is not complete; wait for its job, or run it again"
        )


def _resolved(listing: Listing, info: Info, uri: str) -> Info:
    target = listing.resolved(info)
    if target is None:
        raise InputError(f"{uri}: {info['name']} is a link to a file that does not exist")
    return target


def _file(fs: Any, info: Info, uri: str) -> FileInfo:
    name = uri_of(fs, info["name"])
    if info["type"] != "file":
        raise InputError(
            f"{uri}: {name} is neither a file nor a directory; move it, or name the files to read"
        )
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InputError(f"{uri}: the file name {name!r} is not UTF-8; rename the file") from None
    size = info.get("size")
    told = next((info[each] for each in _VERSIONS if info.get(each) is not None), "")
    return FileInfo(name, -1 if size is None else int(size), codec_of(name) is None, str(told))
