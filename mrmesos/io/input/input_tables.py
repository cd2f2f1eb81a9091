"""The facts about the columns of a job's inputs that all its maps share. Planning decides them.

In: the files of each input. Out: the files to read, and an InputTable. Names of directories tell
the partition columns. If an input has several files with schemas, their footers are read. A process
of its own does that, because a JobTracker does not import Arrow, and a broken file may abort the
process that reads it. Thread: a planning thread of the JobTracker. Imports no pyarrow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from mrmesos.api.formats import Filter, InputFormat, ParquetInput, Source
from mrmesos.api.split import SCHEMA_MAX, InputTable
from mrmesos.io.fs.filesystem import InputError
from mrmesos.io.fs.own_process import ProcessFailed, answer_of
from mrmesos.io.fs.store_calls import caller
from mrmesos.io.input.formats.partitions import partition_types, passing
from mrmesos.io.input.formats.registry import has_schema

if TYPE_CHECKING:
    from mrmesos.io.input.splits import FileInfo

_MODULE = "mrmesos.io.input.footers"


class FootersRequest(msgspec.Struct, frozen=True):
    """A request for the one schema of all these files.

    `columns` are the columns that the job reads (empty: all). `filtered` are those that filters
    name. `partitions` are those of directory names.
    """

    format: InputFormat
    uris: list[str]
    columns: tuple[str, ...]
    filtered: tuple[str, ...]
    partitions: tuple[tuple[str, str], ...]


class FootersAnswer(msgspec.Struct, frozen=True):
    """The schema (see InputTable), or an error for the user."""

    schema: str = ""
    error: str = ""


ReadFooters = Callable[[FootersRequest], FootersAnswer]


def input_table(
    source: Source, files: Sequence[FileInfo], read_footers: ReadFooters
) -> tuple[InputTable | None, Sequence[FileInfo]]:
    """The table of an input, and the files that pass the filters on directory names.

    The table is None if every file is read by itself. Raises InputError.
    """
    fmt = source.format
    filters: tuple[Filter, ...] = fmt.filters if isinstance(fmt, ParquetInput) else ()
    uris = [info.uri for info in files]
    hive = getattr(fmt, "partitioning", None) == "hive"
    partitions = partition_types(uris) if hive else ()
    kept = [
        info
        for info, keep in zip(files, passing(uris, partitions, filters), strict=True)
        if keep and info.size
    ]
    schema = ""
    if has_schema(fmt) and len(kept) > 1:
        request = FootersRequest(
            format=fmt,
            uris=[info.uri for info in kept],
            columns=getattr(fmt, "columns", ()),
            filtered=tuple(name for name, _, _ in filters),
            partitions=partitions,
        )
        schema = read_footers(request).schema
        if len(schema) > SCHEMA_MAX:
            raise InputError(
                f"{kept[0].uri}, …: these {len(kept):,} files have too many columns together; name "
                "the columns to read with columns="
            )
    if not schema and not partitions:
        return None, files
    return InputTable(source.name, schema, partitions), kept


def footers_aside(request: FootersRequest) -> FootersAnswer:
    """Execute the request in a process. Each line from it says that the store has answered.

    Raises InputError. Raises GivenUp if the planner gave the work up.
    """
    where = f"{request.uris[0]} and {len(request.uris) - 1:,} more"
    try:
        last = answer_of(_MODULE, msgspec.json.encode(request), caller(request.uris[0]))
    except ProcessFailed as exc:
        raise InputError(
            f"{where}: the process that reads the footers of these files {exc}; one of them is "
            "damaged: read them one by one to find it"
        ) from exc
    answer = msgspec.json.decode(last, type=FootersAnswer)
    if answer.error:
        raise InputError(answer.error)
    return answer
