"""Brings one file's columns to those of the job's table: missing ones are null, types are widened.

In: the schema of a file, the columns that the job wants, and what planning has decided
(InputTable). Out: the columns to read, and rows with the columns of the table. Thread: a worker's.
"""

from __future__ import annotations

import difflib
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field

import msgspec
import pyarrow as pa

from mrmesos.api.split import InputTable
from mrmesos.io.columns.schema import KEY, NESTED_MAX, VALUE, UnfaithfulCast, depth_of
from mrmesos.io.columns.table_schema import as_schema, conform_array
from mrmesos.io.fs.filesystem import InputError
from mrmesos.io.input.formats.damage import BadColumn
from mrmesos.io.input.formats.partitions import TEXT, typed, values_of

_NAMES_SHOWN = 20


_Chosen = tuple[pa.Schema, list[str], tuple[tuple[str, str], ...]]
"""What to do with files of one schema: columns to make, columns to show, partition columns."""


@dataclass(frozen=True, slots=True)
class JobColumns:
    """The columns that a job reads of an input, in all its files.

    `schema` is None if each file tells its own. `partitions` are the columns of directory names.
    """

    wanted: tuple[str, ...]
    schema: pa.Schema | None = None
    partitions: dict[str, str] = field(default_factory=dict)
    _seen: dict[bytes, _Chosen] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, wanted: Iterable[str], table: InputTable | None) -> JobColumns:
        """The decisions of planning, and the columns that the format names, if any."""
        if table is None:
            return cls(tuple(wanted))
        schema = as_schema(table.schema) if table.schema else None
        return cls(tuple(wanted), schema, dict(table.partitions))

    def in_file(self, uri: str, own: pa.Schema, also: Sequence[str] = ()) -> FileColumns:
        """The columns of a file with the schema `own`. `also` has columns that filters need.

        Raises InputError if no file has a wanted column, or if a column is there twice. Also raises
        it if the file is not the one that existed when the job was planned.
        """
        key = own.serialize().to_pybytes()  # a job may have thousands of files of one schema
        if key not in self._seen:
            self._seen[key] = self._chosen(uri, own, also)
        schema, names, partitions = self._seen[key]
        if partitions:
            check_given(uri, [name for name in own.names if name in schema.names], dict(partitions))
        values = partition_values(uri, InputTable("", partitions=partitions))
        constants = {
            name: pa.scalar(value, schema.field(name).type)
            for name, value in values.items()
            if name in schema.names
        }
        return FileColumns(uri, own, schema, constants, names)

    def _chosen(self, uri: str, own: pa.Schema, also: Sequence[str]) -> _Chosen:
        _check_readable(own)
        whole = own if self.schema is None else self.schema
        partitions = self.partitions
        if not self.wanted and whole.names == [KEY, VALUE]:
            partitions = {}  # what a job wrote stays keys and values
        table = [each for each in whole.names if each not in partitions] + list(partitions)
        names = list(self.wanted) or table
        shown = len(names)
        names += [each for each in dict.fromkeys(also) if each not in names]
        check_names(f"{uri}: has no", names, [*dict.fromkeys([*whole.names, *partitions])])
        if not self.wanted:
            _check_known(uri, own.names, [*whole.names, *self.partitions])
        fields = []
        for name in names:
            if name in partitions:
                fields.append(pa.field(name, _arrow_type(partitions[name])))
                continue
            check_single(uri, name, own)
            fields.append(_field(whole, name, own))
        return pa.schema(fields), names[:shown], tuple(partitions.items())


class FileColumns(msgspec.Struct, frozen=True):
    """How to read the rows of one file: read the columns `read`, make them `schema`, show
    `names`.
    """

    uri: str
    own: pa.Schema
    schema: pa.Schema
    constants: dict[str, pa.Scalar]
    names: list[str]

    @property
    def read(self) -> list[str]:
        """The columns to read in the file. If there are none, its first column, which counts the
        rows.
        """
        there = set(self.own.names)
        found = [name for name in self.schema.names if name in there and name not in self.constants]
        return found or self.own.names[:1]

    def conformed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Rows of the file with the columns of `schema`. Raises BadColumn."""
        if batch.schema.equals(self.schema):
            return batch
        columns = [self._column(batch, field) for field in self.schema]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _column(self, batch: pa.RecordBatch, wanted: pa.Field) -> pa.Array:
        if wanted.name in self.constants:
            return pa.repeat(self.constants[wanted.name], batch.num_rows)
        if wanted.name not in batch.schema.names:
            return pa.nulls(batch.num_rows, wanted.type)
        column = batch.column(wanted.name)
        try:
            return conform_array(column, wanted.type)
        except (UnfaithfulCast, pa.ArrowException) as exc:
            raise BadColumn(
                wanted.name,
                f"the files have several types, and {wanted.type} cannot hold its values: {exc}",
            ) from exc


def partition_values(uri: str, table: InputTable | None) -> dict[str, int | str | None]:
    """The partition columns of a file's rows: their values stand in its directories' names."""
    if table is None or not table.partitions:
        return {}
    texts = values_of(uri)
    return {name: typed(texts.get(name), kind) for name, kind in table.partitions}


def check_given(uri: str, own: Iterable[str], partitions: Container[str]) -> None:
    """Raise InputError if a column of the file has the name of a partition column it lacks."""
    clashing = [name for name in own if name in partitions]
    missing = [name for name in clashing if name not in values_of(uri)] if clashing else []
    if missing:
        raise InputError(
            f"{uri}: has the column {missing[0]!r}. Other files of the input take it from "
            f"directories named {missing[0]}=…; move this file into such a directory, or set "
            "partitioning=None in the input format"
        )


def with_partitions(
    uri: str,
    batch: pa.RecordBatch,
    table: InputTable | None,
    values: dict[str, int | str | None],
) -> pa.RecordBatch:
    """The rows with these columns last. They replace columns of the same name.

    Raises InputError, see `check_given`.
    """
    if table is None or not values:
        return batch
    check_given(uri, batch.schema.names, values)
    own = [name for name in batch.schema.names if name not in values]
    columns = [batch.column(name) for name in own]
    for name, kind in table.partitions:
        columns.append(pa.repeat(pa.scalar(values[name], _arrow_type(kind)), batch.num_rows))
    return pa.RecordBatch.from_arrays(columns, [*own, *values])


def check_names(found: str, wanted: Iterable[str], there: Sequence[str]) -> None:
    """Raise InputError for a wanted column that does not exist. It lists similar names.

    `found` begins the message: `data.parquet: has no`.
    """
    known = set(there)
    for name in wanted:
        if name not in known:
            raise InputError(f"{found} column {name!r}, but {named(there)}{_near(name, there)}")


def named(names: Sequence[str]) -> str:
    """The names of columns in a message, at most twenty."""
    if len(names) <= _NAMES_SHOWN:
        return ", ".join(names) or "none at all"
    return f"{', '.join(names[:_NAMES_SHOWN])} and {len(names) - _NAMES_SHOWN:,} more"


def _near(name: str, there: Sequence[str]) -> str:
    folded = [each for each in there if each.casefold() == name.casefold()]
    near = folded or difflib.get_close_matches(name, there, n=3)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""


def _check_known(uri: str, own: Sequence[str], planned: Sequence[str]) -> None:
    known = set(planned)
    for name in own:
        if name not in known:
            raise InputError(
                f"{uri}: has the column {name!r}, which no file had when the job was planned; "
                "do not change inputs while a job runs"
            )


def check_single(uri: str, name: str, own: pa.Schema) -> None:
    """Raise InputError if the column or a field in it exists twice, or if it is nested too deep."""
    count = own.names.count(name)
    if count > 1:
        found = f"has {count} columns named {name!r}"
    elif count and (path := _doubled(own.field(name))):
        found = f"the column {name!r} has two fields named {path!r}"
    elif count and (depth := depth_of(own.field(name).type)) > NESTED_MAX:
        raise InputError(
            f"{uri}: the column {name!r} is nested {depth} levels deep, and at most {NESTED_MAX} "
            "can travel between tasks; leave it out with columns=, or flatten it"
        )
    else:
        return
    raise InputError(
        f"{uri}: {found}, and a row can hold one; name the other columns with columns=, "
        "or rewrite the file"
    )


def _doubled(column: pa.Field) -> str:
    """The path of a field in the column that is a struct's second with its name. Empty if none."""
    kind = column.type
    children = [kind.field(index) for index in range(kind.num_fields)]
    seen = set()
    for child in children:
        if child.name in seen:
            return f"{column.name}.{child.name}"
        seen.add(child.name)
        if path := _doubled(child):
            return f"{column.name}.{path}"
    return ""


def _check_readable(schema: pa.Schema) -> None:
    """Raise ValueError if a name is not UTF-8. It would fail later, when rows are decoded."""
    try:
        _check_text(schema)
    except UnicodeDecodeError as exc:
        raise ValueError(f"a column name is not UTF-8 ({exc.object[:50]!r})") from exc


def _check_text(fields: Iterable[pa.Field]) -> None:
    for each in fields:
        _ = each.name  # this decodes the name, and raises if it is not UTF-8
        kind = each.type
        _check_text(kind.field(index) for index in range(kind.num_fields))


def _field(whole: pa.Schema, name: str, own: pa.Schema) -> pa.Field:
    """The field of the table. If types are equal, that of the file, because it has its metadata."""
    wanted = whole.field(name)
    index = own.get_field_index(name)
    kind = _laid_out(wanted.type)
    if index >= 0 and own.field(index).type.equals(kind):
        return own.field(index)
    return pa.field(name, kind)


def _laid_out(kind: pa.DataType) -> pa.DataType:
    """The type without views and runs: Arrow has few functions for these layouts."""
    types = pa.types
    if types.is_run_end_encoded(kind):
        return _laid_out(kind.value_type)
    if types.is_string_view(kind):
        return pa.string()
    if types.is_binary_view(kind):
        return pa.binary()
    if types.is_list_view(kind) or types.is_large_list_view(kind):
        return pa.list_(_laid_out(kind.value_type))
    children = [kind.field(index) for index in range(kind.num_fields)]
    plain = [_laid_out(child.type) for child in children]
    if all(one.equals(child.type) for one, child in zip(plain, children, strict=True)):
        return kind
    if types.is_struct(kind):
        return pa.struct([child.with_type(one) for one, child in zip(plain, children, strict=True)])
    if types.is_map(kind):
        return pa.map_(_laid_out(kind.key_type), _laid_out(kind.item_type))
    return pa.list_(plain[0]) if types.is_list(kind) else kind


def _arrow_type(kind: str) -> pa.DataType:
    return pa.string() if kind == TEXT else pa.int64()
