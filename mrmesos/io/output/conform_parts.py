"""Gives all parts of an output one schema. Parts that differ are rewritten, a piece at a time.

In: a Conforming on standard input. Out: an empty line for each piece, then a Conformed. It runs in
a process of its own beside the JobTracker. Tests and local runs use the caller's process.
"""

from __future__ import annotations

import posixpath
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from mrmesos.api.formats import CsvOutput, OrcOutput
from mrmesos.io.columns.signed import file_schema
from mrmesos.io.columns.table_schema import (
    MisfitColumn,
    MixedColumn,
    as_schema,
    as_text,
    wider,
)
from mrmesos.io.fs.filesystem import OutputError, open_filesystem, reason
from mrmesos.io.fs.scratch import Scratch
from mrmesos.io.output.csv_output import has_columns, rewritten
from mrmesos.io.output.output_file import CountedFile
from mrmesos.io.output.part_notes import CONFORMED, Conformed, Conforming, Part
from mrmesos.io.output.table_files import TableFormat, copy_into, open_sink, orc_schema, read_schema

_COPY_BYTES = 16 << 20
_BARE_ROWS = 1 << 16


def conform(request: Conforming, fs: Any, path: str, told: Callable[[], None]) -> Conformed:
    """Execute the request. `path` is the output in `fs`. `told` is called after each piece.

    A repeated call gives the same files. Raises OutputError.
    """
    if request.step == "replace":
        schema = as_schema(request.schema)
        for part in request.parts:
            _replace(request, part, schema, fs, posixpath.join(path, part.target), told)
        return Conformed(request.schema)
    schema = _unified(request.parts, request.output)
    text, sizes = as_text(schema), {}
    if request.step == "rewrite":
        for part in request.parts:
            if part.note.schema != text:
                sizes[part.target] = _rewrite(request, part, schema, fs, path, told)
    return Conformed(text, sizes)


def _unified(parts: Sequence[Part], output: str) -> pa.Schema:
    """The schema of all parts. The first parts give the order of columns."""
    schema = None
    for index, part in enumerate(parts):
        own = as_schema(part.note.schema)
        try:
            schema = own if schema is None else wider(schema, own)
        except MixedColumn as exc:
            earlier, kind = _with_column(parts[:index], exc.column) or ("another part", exc.one)
            raise OutputError(
                f"{output}: the column {exc.column} is {kind} in {earlier}, but {exc.other} in "
                f"{part.target}; yield values of one type in all tasks, or write text"
            ) from None
    assert schema is not None
    bare = sum(part.note.bare for part in parts)
    if bare and not len(schema):
        raise OutputError(
            f"{output}: none of its {bare:,} records has a column; yield dicts with items, or "
            "declare the columns with schema="
        )
    return schema


def _with_column(parts: Sequence[Part], column: str) -> tuple[str, str] | None:
    """The last part that has values in the column, and the column's type there."""
    for part in reversed(parts):
        schema = as_schema(part.note.schema)
        if column in schema.names and not pa.types.is_null(schema.field(column).type):
            return part.target, str(schema.field(column).type)
    return None


def _rewrite(
    request: Conforming,
    part: Part,
    schema: pa.Schema,
    fs: Any,
    path: str,
    told: Callable[[], None],
) -> int:
    source = posixpath.join(path, part.source)
    target = posixpath.join(path, CONFORMED, part.target)
    fs.makedirs(posixpath.dirname(target), exist_ok=True)
    with fs.open(source, "rb") as read, fs.open(target, "wb") as written:
        return _copy(request, part, read, CountedFile(written), schema, told)


def _replace(
    request: Conforming,
    part: Part,
    schema: pa.Schema,
    fs: Any,
    target: str,
    told: Callable[[], None],
) -> None:
    """Rewrite a visible file. The store shows the old file until the new one is complete."""
    fmt = part.note.format
    with Scratch("mrmesos-conform-") as scratch:
        local = Path(scratch, "part")
        with fs.open(target, "rb") as read:
            if _is_conformed(fmt, read, schema):
                return
            read.seek(0)
            with local.open("wb") as file:
                _copy(request, part, read, CountedFile(file), schema, told)
        with local.open("rb") as made, fs.open(target, "wb") as written:
            shutil.copyfileobj(made, written, _COPY_BYTES)


def _is_conformed(fmt: TableFormat | CsvOutput, file: Any, schema: pa.Schema) -> bool:
    if isinstance(fmt, CsvOutput):
        return has_columns(fmt, file, schema.names)
    wanted = orc_schema(schema) if isinstance(fmt, OrcOutput) else schema
    return bool(read_schema(fmt, file).equals(wanted, check_metadata=True))


def _copy(
    request: Conforming,
    part: Part,
    read: Any,
    written: CountedFile,
    schema: pa.Schema,
    told: Callable[[], None],
) -> int:
    fmt, key = part.note.format, request.pickle_key
    if isinstance(fmt, CsvOutput):
        rewritten(fmt, read, as_schema(part.note.schema).names, written, schema.names)
        return written.bytes
    sink = _Telling(open_sink(fmt, written, file_schema(schema, key)), told)
    try:
        copy_into(fmt, read, as_schema(part.note.schema), sink, schema, key)
        for start in range(0, part.note.bare, _BARE_ROWS):
            sink.write_table(_nulls(schema, min(_BARE_ROWS, part.note.bare - start)))
    except MisfitColumn as exc:
        written.given_up = True
        kind = schema.field(exc.column).type
        raise OutputError(
            f"{part.target}: values of the column {exc.column} do not fit {kind}, the type that "
            f"all parts need, without a change: {exc.why}; yield values of one type in all tasks, "
            "or write text"
        ) from None
    sink.close()
    written.close()
    return written.bytes


def _nulls(schema: pa.Schema, rows: int) -> pa.Table:
    return pa.Table.from_arrays([pa.nulls(rows, field.type) for field in schema], schema=schema)


class _Telling:
    """A sink that reports each piece."""

    def __init__(self, sink: Any, told: Callable[[], None]) -> None:
        self._sink, self._told = sink, told

    def write_table(self, table: pa.Table) -> None:
        self._sink.write_table(table)
        self._told()

    def close(self) -> None:
        self._sink.close()


def main() -> None:
    """Answer the request on standard input."""
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=Conforming)

    def told() -> None:
        sys.stdout.write("\n")
        sys.stdout.flush()

    try:
        fs, path = open_filesystem(request.output, error=OutputError)
        answer = conform(request, fs, path.rstrip("/") or path, told)
    except OutputError as exc:
        answer = Conformed(error=str(exc))
    except (OSError, pa.ArrowException) as exc:
        answer = Conformed(error=f"{request.output}: parts cannot be rewritten: {reason(exc)}")
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")


if __name__ == "__main__":
    main()
