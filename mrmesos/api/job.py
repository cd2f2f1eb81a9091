"""The Job class: which mapper, combiner and reducer, with what input, output and resources."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from mrmesos.api.aggregates import Aggregate
from mrmesos.api.formats import InputFormat, OutputFormat, TextInput, TextOutput
from mrmesos.api.tasks import (
    BatchMapper,
    BatchReducer,
    HashPartitioner,
    Mapper,
    Partitioner,
    Reducer,
)

if TYPE_CHECKING:
    import pyarrow as pa

AnyMapper = type[Mapper] | type[BatchMapper]
AnyReducer = type[Reducer] | type[BatchReducer] | type[Aggregate]


class JobError(Exception):
    """The job class cannot be run as it is; the message says what to change."""


class Job:
    """Derive from it, name the classes, and `mrmesos submit` the file.

    `conf` holds the job's own defaults of settings (`{"map.memory.mb": 2048}`); `-D` overrides
    them. `num_reducers` is a default of `job.reduces` in the same way. `map_output_types` fixes
    the Arrow types of the mapper's keys and values where they should not be inferred from data.
    """

    mapper: ClassVar[AnyMapper] = Mapper
    combiner: ClassVar[type[Reducer] | type[BatchReducer] | None] = None
    reducer: ClassVar[AnyReducer | None] = None
    partitioner: ClassVar[type[Partitioner]] = HashPartitioner
    num_reducers: ClassVar[int | None] = None
    input_format: ClassVar[InputFormat] = TextInput()
    output_format: ClassVar[OutputFormat] = TextOutput()
    map_output_types: ClassVar[tuple[pa.DataType, pa.DataType] | None] = None
    conf: ClassVar[Mapping[str, str | int | float | bool]] = {}

    def __init__(self, args: argparse.Namespace | None = None) -> None:
        self.args = args if args is not None else argparse.Namespace()

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Declare the job's own command-line arguments; tasks read them as `context.args`."""
