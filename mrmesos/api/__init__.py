"""The names that authors of jobs import: Job, Mapper, Reducer, batch versions, aggregates, formats.

Nothing here uses files, processes or the network, except what runs jobs: `Session`, `api.testing`,
`api.running` and `api.sessions`. These are imported when they are first used.
"""

from typing import TYPE_CHECKING, Any

from mrmesos.api.aggregates import Aggregate, Count, CountDistinct, Max, Mean, Min, Sum, TopK
from mrmesos.api.chain import Chain, Step
from mrmesos.api.context import Context, Counters, TaskFacts
from mrmesos.api.custom_formats import FileSplit, RecordReader, RecordWriter, installed_format
from mrmesos.api.formats import (
    ArrowInput,
    ArrowOutput,
    AvroInput,
    BytesOutput,
    CsvInput,
    CsvOutput,
    FixedWidthInput,
    JsonLinesInput,
    JsonLinesOutput,
    KeyValueTextInput,
    NullOutput,
    OrcInput,
    OrcOutput,
    ParquetInput,
    ParquetOutput,
    TextInput,
    TextOutput,
    WholeFileInput,
)
from mrmesos.api.job import Input, Job, JobError
from mrmesos.api.settings import Settings
from mrmesos.api.split import FileSlice, Split
from mrmesos.api.tasks import (
    BatchMapper,
    BatchPartitioner,
    BatchReducer,
    HashPartitioner,
    Mapper,
    Partitioner,
    Reducer,
    SortedReducer,
    TotalOrder,
    pairs,
)
from mrmesos.api.text import words

if TYPE_CHECKING:
    from mrmesos.api.sessions import Session

__all__ = [
    "Aggregate",
    "ArrowInput",
    "ArrowOutput",
    "AvroInput",
    "BatchMapper",
    "BatchPartitioner",
    "BatchReducer",
    "BytesOutput",
    "Chain",
    "Context",
    "Count",
    "CountDistinct",
    "Counters",
    "CsvInput",
    "CsvOutput",
    "FileSlice",
    "FileSplit",
    "FixedWidthInput",
    "HashPartitioner",
    "Input",
    "Job",
    "JobError",
    "JsonLinesInput",
    "JsonLinesOutput",
    "KeyValueTextInput",
    "Mapper",
    "Max",
    "Mean",
    "Min",
    "NullOutput",
    "OrcInput",
    "OrcOutput",
    "ParquetInput",
    "ParquetOutput",
    "Partitioner",
    "RecordReader",
    "RecordWriter",
    "Reducer",
    "Session",
    "Settings",
    "SortedReducer",
    "Split",
    "Step",
    "Sum",
    "TaskFacts",
    "TextInput",
    "TextOutput",
    "TopK",
    "TotalOrder",
    "WholeFileInput",
    "installed_format",
    "pairs",
    "words",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Import what runs jobs when it is asked for: workers have no use for it."""
        if name == "Session":
            from importlib import import_module

            return import_module("mrmesos.api.sessions").Session
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
