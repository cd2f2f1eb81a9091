"""Reads the footers of all files of an input, and makes one schema of their columns.

In: a FootersRequest on standard input. Out: an empty line for each file, then a FootersAnswer. It
runs in a process of its own beside the JobTracker. Tests and local runs use the caller's process.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pyarrow as pa

from mrmesos.io.columns.schema import is_pickled
from mrmesos.io.columns.table_schema import MixedColumn, as_text, own_metadata, wider, wider_type
from mrmesos.io.fs.filesystem import InputError, open_filesystem, serves_threads
from mrmesos.io.input.formats.file_columns import check_names, check_single
from mrmesos.io.input.formats.registry import schema_of
from mrmesos.io.input.input_tables import FootersAnswer, FootersRequest

REMOTE_THREADS, LOCAL_THREADS = 32, 4

Found = tuple[str, pa.Schema]
"""A schema, and the first file that has it."""


def one_schema(request: FootersRequest, told: Callable[[], None]) -> FootersAnswer:
    """Execute the request. `told` is called after each file. Raises InputError."""
    distinct: dict[bytes, Found] = {}
    for uri, schema in zip(request.uris, _schemas(request), strict=True):
        told()
        distinct.setdefault(schema.remove_metadata().serialize().to_pybytes(), (uri, schema))
    found = [(uri, own_metadata(schema)) for uri, schema in distinct.values()]
    none = f"none of the {len(request.uris):,} files {request.uris[0]}, … has a"
    there = [name for _, schema in found for name in schema.names]
    there += [name for name, _ in request.partitions]
    check_names(none, (*request.columns, *request.filtered), list(dict.fromkeys(there)))
    columns = (*request.columns, *request.filtered) if request.columns else ()
    directories = {name for name, _ in request.partitions}
    chosen = [(uri, _chosen(uri, schema, columns, directories)) for uri, schema in found]
    return FootersAnswer(as_text(_unified(chosen)))


def footers_here(request: FootersRequest) -> FootersAnswer:
    """Execute the request in this process. Raises InputError."""
    return one_schema(request, lambda: None)


def _schemas(request: FootersRequest) -> Iterator[pa.Schema]:
    """The schemas of the files in order, read by several threads."""
    fs, _ = open_filesystem(request.uris[0])
    threads = REMOTE_THREADS if serves_threads(fs) else min(LOCAL_THREADS, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads, "footers") as pool:
        try:
            yield from pool.map(lambda uri: schema_of(uri, request.format), request.uris)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _chosen(
    uri: str, schema: pa.Schema, columns: Sequence[str], directories: Iterable[str]
) -> pa.Schema:
    """The columns of the file that the job reads, without those that directories give."""
    names = [name for name in dict.fromkeys(columns or schema.names) if name in schema.names]
    names = [name for name in names if name not in directories]
    for name in names:
        check_single(uri, name, schema)
    return pa.schema([schema.field(name) for name in names])


def _unified(found: Sequence[Found]) -> pa.Schema:
    """The schema of all. The first files give the order of columns. Raises InputError."""
    schema = found[0][1]
    for index, (uri, own) in enumerate(found):
        try:
            schema = _wider(schema, own)
        except MixedColumn as exc:
            earlier, one, other = _culprits(found[:index], own, exc)
            raise InputError(
                f"the column {exc.column!r} is {one} in {earlier}, but {other} in {uri}; a column "
                "has one type in a job: give the files as inputs of their own (Job.inputs), leave "
                "the column out with columns=, or rewrite one of them"
            ) from None
    return schema


def _wider(first: pa.Schema, second: pa.Schema) -> pa.Schema:
    """As for tables that are written, but no column becomes pickled. Raises MixedColumn."""
    for other in second:
        index = first.get_field_index(other.name)
        if index < 0:
            continue
        one = first.field(index)
        untyped = pa.types.is_null(one.type) or pa.types.is_null(other.type)
        if is_pickled(one) != is_pickled(other) and not untyped:
            raise MixedColumn(one.name, _said(one), _said(other))
        if not is_pickled(one) and wider_type(one.type, other.type) is None:
            raise MixedColumn(one.name, _said(one), _said(other))
    return wider(first, second)


def _culprits(before: Sequence[Found], own: pa.Schema, exc: MixedColumn) -> tuple[str, str, str]:
    """The first file whose column does not go with that of the last file, and both types."""
    last = pa.schema([own.field(exc.column)])
    for uri, schema in before:
        if exc.column in schema.names:
            one = pa.schema([schema.field(exc.column)])
            try:
                _wider(one, last)
            except MixedColumn as pair:
                return (uri, *_differing(one.field(0).type, last.field(0).type, pair))
    return "the files before", exc.one, exc.other


def _differing(one: pa.DataType, other: pa.DataType, pair: MixedColumn) -> tuple[str, str]:
    """The two types. For structs, only the first fields that do not go together."""
    path = ""
    while pa.types.is_struct(one) and pa.types.is_struct(other):
        fields = {field.name: field.type for field in other}
        wrong = [
            field
            for field in one
            if field.name in fields and wider_type(field.type, fields[field.name]) is None
        ]
        if not wrong:
            break
        path += f".{wrong[0].name}"
        one, other = wrong[0].type, fields[wrong[0].name]
    if not path:
        return pair.one, pair.other
    return f"{one} at {pair.column}{path}", f"{other} there"


def _said(column: pa.Field) -> str:
    return "pickled Python objects" if is_pickled(column) else str(column.type)


def main() -> None:
    """Answer the request on standard input."""
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=FootersRequest)

    def told() -> None:
        sys.stdout.write("\n")
        sys.stdout.flush()

    try:
        answer = one_schema(request, told)
    except InputError as exc:
        answer = FootersAnswer(error=str(exc))
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")


if __name__ == "__main__":
    main()
