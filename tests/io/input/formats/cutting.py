"""Helpers that read a file by slices of any size, as maps do."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mrmesos.api.formats import InputFormat
from mrmesos.api.split import FileSlice, Split
from mrmesos.io.columns.encode import decode_column
from mrmesos.io.columns.input_batch import InputBatch
from mrmesos.io.input.formats.registry import read_split

Record = tuple[Any, Any]


def slices(path: Path, size: int) -> list[Split]:
    """The file in splits of `size` bytes."""
    total = path.stat().st_size
    return [
        Split((FileSlice(str(path), start, min(size, total - start)),), min(size, total - start))
        for start in range(0, total, size)
    ]


def whole(path: Path) -> list[Split]:
    """The file as one split of unknown length, as for files that are not cut."""
    return [Split((FileSlice(str(path), 0, -1),), path.stat().st_size)]


def batches(
    splits: Iterable[Split], fmt: InputFormat, *, records: bool = True, batch_bytes: int = 1 << 20
) -> list[InputBatch]:
    return [
        given
        for split in splits
        for given in read_split(split, fmt, records=records, batch_bytes=batch_bytes)
    ]


def records_of(given: InputBatch) -> list[Record]:
    """Keys and values as a Mapper sees them."""
    values = given.objects
    if values is None:
        values = decode_column(given.batch.column("value"))
    return list(zip(decode_column(given.batch.column("key")), values, strict=True))


def read(
    splits: Iterable[Split], fmt: InputFormat, *, records: bool = True, batch_bytes: int = 1 << 20
) -> list[Record]:
    found = batches(splits, fmt, records=records, batch_bytes=batch_bytes)
    return [record for given in found for record in records_of(given)]


def read_rows(splits: Iterable[Split], fmt: InputFormat) -> list[dict[str, Any]]:
    """The columns that a BatchMapper sees, as rows."""
    return [
        row for given in batches(splits, fmt, records=False) for row in given.columns.to_pylist()
    ]
