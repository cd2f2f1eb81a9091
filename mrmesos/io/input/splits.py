"""Planning splits from input URIs, like Hadoop's FileInputFormat and CombineFileInputFormat.

Input: URIs, formats and settings. Output: splits. Directories are read one level deep, as Hadoop
does by default; `**` in a pattern goes deeper. Thread: a planning thread of the JobTracker.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

from mrmesos import conf as settings
from mrmesos.api.formats import InputFormat, Source
from mrmesos.api.split import FileSlice, Split
from mrmesos.conf import Conf
from mrmesos.io.fs.block_locations import Blocks, locate
from mrmesos.io.fs.filesystem import InputError, codec_of, open_filesystem, reason, uri_of
from mrmesos.io.fs.retry import retrying
from mrmesos.io.fs.store_calls import GivenUp, answered, caller
from mrmesos.io.input.formats.registry import check_input, splits_files
from mrmesos.io.input.host_packing import pack_by_host, pieces
from mrmesos.io.output.output_dir import PLAN, SUCCESS

_MAGIC = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class FileInfo:
    """One input file. `size` is in bytes as stored, -1 if the filesystem does not tell it."""

    uri: str
    size: int
    splittable: bool


def expand_inputs(uris: Sequence[str]) -> list[FileInfo]:
    """The files of `uris` (files, directories, patterns), sorted by URI.

    A path that exists is taken literally, even if it contains pattern characters. Otherwise `*`,
    `?`, `[...]` and `**` form a pattern. Files and directories whose name begins with `_` or `.`
    are ignored unless the URI names them. A file that is named twice is read twice, as in Hadoop.
    An empty directory is an empty input.

    Raises InputError if a path does not exist, a pattern matches nothing, or an input directory
    contains a directory.
    """
    found = [info for uri in uris for info in _expand(uri)]
    found.sort(key=lambda info: info.uri)
    return found


def plan_splits(uris: Sequence[str], input_format: InputFormat, conf: Conf) -> list[Split]:
    """The splits of all maps over `uris`; see `plan_sources`."""
    return plan_sources((Source("", tuple(uris), input_format),), conf)


def plan_sources(sources: Sequence[Source], conf: Conf) -> list[Split]:
    """The splits of all maps over a job's inputs, one input after another. No split is empty.

    The target size is Hadoop's goal size, `min(split.maxsize, total / job.maps)`. Larger files are
    cut, and smaller ones are packed together in order. Compressed files and files of formats that
    cannot be cut stay whole. Readers work with any cut. If block locations are known, files are
    also cut at blocks, and small slices are packed by host.

    Raises InputError like `expand_inputs` and `check_input`, and for more than `job.maps.max`
    splits.
    """
    for source in sources:
        check_input(source.format)
    inputs = [(source, expand_inputs(source.uris)) for source in sources]
    answered()
    total = sum(max(info.size, 0) for _, files in inputs for info in files)
    largest = conf.get_as(settings.SPLIT_MAXSIZE)
    goal = max(1, min(largest, -(-total // conf.get_as(settings.JOB_MAPS))))
    most = conf.get_as(settings.JOB_MAPS_MAX)
    splits: list[Split] = []
    blocks: Blocks = {}
    if total <= goal * most:
        blocks = locate([(info.uri, info.size) for _, files in inputs for info in files], conf)
    for split in chain.from_iterable(
        _packed(_cut(files, goal, source.format, blocks), goal, largest, source.name, blocks)
        for source, files in inputs
    ):
        if len(splits) == most:
            uris = ", ".join(uri for source in sources for uri in source.uris)
            raise InputError(
                f"{uris}: the input makes more than {settings.JOB_MAPS_MAX.name}={most} "
                f"splits of {goal} bytes; raise {settings.SPLIT_MAXSIZE.name}"
            )
        splits.append(split)
    return splits


def _cut(
    files: Iterable[FileInfo], goal: int, fmt: InputFormat, blocks: Blocks
) -> Iterator[tuple[FileSlice, int]]:
    """Slices of at most `goal` bytes, except files that stay whole, each with its size."""
    whole = not splits_files(fmt)
    for info in files:
        if whole or not info.splittable or info.size < 0:
            if info.size != 0:
                yield FileSlice(info.uri, 0, -1), max(info.size, 0)
            continue
        for start, length in pieces(info.size, goal, blocks.get(info.uri, ())):
            yield FileSlice(info.uri, start, length), length


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
    calls = caller(uri)
    calls()  # opening the filesystem may already call the store
    fs, path = open_filesystem(uri)

    def listed() -> list[FileInfo]:
        calls()
        return _listed(fs, path, uri)

    try:
        if hasattr(fs, "open_ranges"):  # our hdfs://: its driver retries by itself
            return listed()
        return retrying()(listed)
    except (InputError, GivenUp):
        raise
    except Exception as exc:  # remote drivers raise any type
        raise InputError(f"{uri}: cannot be listed: {reason(exc)}") from exc


def _listed(fs: Any, path: str, uri: str) -> list[FileInfo]:
    # A JobTracker runs for weeks, so listings that fsspec has cached may be old.
    fs.invalidate_cache()
    info = _info(fs, path)
    if info is not None:
        return _files_of(fs, info, uri)
    if not _MAGIC & set(path):
        raise InputError(f"{uri}: input does not exist")
    matches = [
        _resolved(fs, found, uri) for found in _glob(fs, path) if _visible(path, found["name"])
    ]
    if "**" in path:  # `**` also matches directories on the way; they are not inputs
        matches = [found for found in matches if found["type"] != "directory"]
    if not matches:
        raise InputError(f"{uri}: no file matches this pattern")
    return [file for found in matches for file in _files_of(fs, found, uri)]


def _info(fs: Any, path: str) -> dict[str, Any] | None:
    try:
        info: dict[str, Any] = fs.info(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return info


def _glob(fs: Any, pattern: str) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = fs.glob(pattern, detail=True)
    return list(found.values())


def _files_of(fs: Any, info: dict[str, Any], uri: str) -> list[FileInfo]:
    """The file of `info`, or the files in the directory of `info`."""
    info = _resolved(fs, info, uri)
    if info["type"] != "directory":
        return [_file(fs, info, uri)]
    files = []
    directory = info["name"].rstrip("/")
    listed = fs.ls(info["name"], detail=True)
    _check_committed(uri, {posixpath.basename(raw["name"].rstrip("/")) for raw in listed})
    for raw in listed:
        name = raw["name"].rstrip("/")
        # Object stores list the marker of the directory itself among its files.
        if name == directory or _hidden(posixpath.basename(name)):
            continue
        entry = _resolved(fs, raw, uri)
        if entry["type"] == "directory":
            raise InputError(
                f"{uri}: contains the directory {uri_of(fs, name)}; to read it too, use the "
                f"pattern {uri_of(fs, directory)}/**"
            )
        files.append(_file(fs, entry, uri))
    return files


def _check_committed(uri: str, names: Set[str]) -> None:
    """Refuse a directory that may be half an output: its job died during the commit."""
    if PLAN in names and SUCCESS not in names:
        raise InputError(
            f"{uri}: is an output whose commit has not ended; wait for its job, or run it again"
        )


def _resolved(fs: Any, info: dict[str, Any], uri: str) -> dict[str, Any]:
    """Follow a link: listings of local directories do not follow links, but `fs.info` does."""
    if not info.get("islink"):
        return info
    target = _info(fs, info["name"])
    if target is None:
        raise InputError(f"{uri}: {info['name']} is a link to a file that does not exist")
    return target


def _file(fs: Any, info: dict[str, Any], uri: str) -> FileInfo:
    name = uri_of(fs, info["name"])
    if info["type"] != "file":
        raise InputError(f"{uri}: {name} is neither a file nor a directory")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InputError(f"{uri}: the file name {name!r} is not UTF-8; rename the file") from None
    size = info.get("size")
    return FileInfo(name, -1 if size is None else int(size), codec_of(name) is None)


def _hidden(name: str) -> bool:
    return name.startswith(("_", "."))


def _visible(pattern: str, name: str) -> bool:
    """False if a wildcard of the pattern matched a hidden file or directory."""
    wanted, parts = pattern.strip("/").split("/"), name.strip("/").split("/")
    if len(wanted) != len(parts) or "**" in pattern:
        fixed = next((i for i, part in enumerate(wanted) if _MAGIC & set(part)), len(wanted))
        wanted = wanted[:fixed] + [""] * (len(parts) - fixed)
    pairs = zip(wanted, parts, strict=True)
    return not any(_hidden(part) and not _hidden(want) for want, part in pairs)
