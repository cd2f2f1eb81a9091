"""Notes of attempts about part files with columns, and the process that gives them one schema.

A part's schema is known when the part is complete. The attempt writes it into a note beside the
part. So the commit compares a few bytes for each part, and opens none. Only parts that differ are
read and rewritten. A process of its own does this, because the JobTracker does not import Arrow.
Imports no pyarrow.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from mrmesos.api.formats import ArrowOutput, CsvOutput, OrcOutput, ParquetOutput
from mrmesos.io.fs.filesystem import OutputError
from mrmesos.io.fs.own_process import ProcessFailed, answer_of
from mrmesos.io.fs.store_calls import caller

NOTE_SUFFIX = ".schema"
"""The name of a note is the name of its part and this ending."""
CONFORMED = "_temporary/_conformed"
"""Directory of the rewritten parts, until the commit moves them."""

_MODULE = "mrmesos.io.output.conform_parts"


class PartNote(msgspec.Struct, frozen=True):
    """The format and the schema (an Arrow IPC message in base64) of a part.

    All CSV columns have the type null. `bare` is the number of records without any column, which
    the file cannot hold.
    """

    format: ArrowOutput | ParquetOutput | OrcOutput | CsvOutput
    schema: str
    bare: int = 0


class Part(msgspec.Struct, frozen=True):
    """A part file: where it is and where it goes, relative to the output."""

    source: str
    target: str
    note: PartNote


class Conforming(msgspec.Struct, frozen=True):
    """A request about all parts of one directory of an output.

    `step` is "unify", "rewrite" or "replace". "unify" finds the common schema. "rewrite" does so,
    and writes each part that differs again below CONFORMED. "replace" rewrites in place the targets
    that do not have this `schema`. `pickle_key` signs values that have to be pickled.
    """

    output: str
    step: str
    parts: list[Part]
    schema: str = ""
    pickle_key: str = ""


class Conformed(msgspec.Struct, frozen=True):
    """The answer: the common schema, and the sizes of rewritten parts by target. Or an error."""

    schema: str = ""
    sizes: dict[str, int] = {}
    error: str = ""


Conform = Callable[[Conforming], Conformed]


def in_own_process(request: Conforming) -> Conformed:
    """Execute the request in a process. Each line from it says that the store has answered.

    Raises OutputError. Raises GivenUp if the planner gave the commit up.
    """
    try:
        last = answer_of(_MODULE, msgspec.json.encode(request), caller(request.output))
    except ProcessFailed as exc:
        raise OutputError(
            f"{request.output}: the process that gives all parts one schema {exc}"
        ) from exc
    answer = msgspec.json.decode(last, type=Conformed)
    if answer.error:
        raise OutputError(answer.error)
    return answer
