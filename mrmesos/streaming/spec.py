"""The description of a streaming job, as data that travels with it."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from mrmesos.streaming.key_fields import KeyRange


class ProgramKind(StrEnum):
    """The kinds of mappers, combiners and reducers."""

    COMMAND = "command"
    IDENTITY = "identity"
    AGGREGATE = "aggregate"
    NONE = "none"


class Program(msgspec.Struct, frozen=True):
    """A mapper, combiner or reducer: a command and its arguments, or one of Hadoop's classes."""

    kind: ProgramKind = ProgramKind.IDENTITY
    command: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The command in the form that users see."""
        return " ".join(self.command) if self.command else self.kind.value


class StreamIo(StrEnum):
    """The form of records in a child's input or output: lines, or binary (`frames`)."""

    TEXT = "text"
    RAWBYTES = "rawbytes"
    TYPEDBYTES = "typedbytes"


class Fields(msgspec.Struct, frozen=True):
    """The form of records for a mapper or reducer.

    For lines: how they are cut into key and value, and the separator between these in the input.
    """

    input_separator: str = "\t"
    output_separator: str = "\t"
    key_fields: int = 1
    input: StreamIo = StreamIo.TEXT
    output: StreamIo = StreamIo.TEXT


class StreamSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A streaming job.

    Lines on stderr that begin with `reporter` are for the engine. If it is empty, there are no such
    lines. `properties` has Hadoop's settings under their present names, for the environment of
    children. `environment` has the variables of `-cmdenv`. `lines_per_child` is NLineInputFormat's
    number; 0: no limit. With `file_by_file`, each input file has a child of its own.
    """

    mapper: Program = Program()
    combiner: Program = Program(ProgramKind.NONE)
    reducer: Program = Program()
    map_fields: Fields = Fields()
    reduce_fields: Fields = Fields()
    ignore_key: bool = True
    file_by_file: bool = True
    lines_per_child: int = 0
    failure_is_failure: bool = True
    comparator: tuple[KeyRange, ...] = ()
    partitioner: tuple[KeyRange, ...] = ()
    field_separator: str = "\t"
    reporter: str = "reporter:"
    properties: dict[str, str] = {}
    environment: dict[str, str] = {}

    @property
    def sent(self) -> StreamIo | None:
        """The form in which a reduce's input records were written. None if no command wrote
        them.
        """
        return self.map_fields.output if self.mapper.kind is ProgramKind.COMMAND else None

    @property
    def counts_repeats(self) -> bool:
        """Whether equal lines of the mapper travel once, with their number (`repeats`)."""
        whole = (ProgramKind.COMMAND, ProgramKind.IDENTITY)
        by_lines = self.reducer.kind in whole and self.combiner.kind is not ProgramKind.AGGREGATE
        return by_lines and self.sent is StreamIo.TEXT

    @property
    def combine_fields(self) -> Fields:
        """A combiner reads as the reducer does, and writes as the mapper does."""
        return msgspec.structs.replace(
            self.map_fields,
            input_separator=self.reduce_fields.input_separator,
            input=self.reduce_fields.input,
        )


def encode_spec(spec: StreamSpec) -> str:
    """The spec as JSON, for the job's script."""
    return msgspec.json.encode(spec).decode()


def decode_spec(text: str) -> StreamSpec:
    """The inverse of `encode_spec`."""
    return msgspec.json.decode(text, type=StreamSpec)
