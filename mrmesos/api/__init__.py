"""The names that authors of jobs import: Job, Mapper, Reducer, batch versions, aggregates, formats.

Nothing here uses files, processes or the network, except the names that run jobs: `Session`,
`TaskExecutor`, `api.testing`, `api.running`, `api.sessions` and `api.executors`. These are imported
when they are first used.
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
from mrmesos.api.free_tasks import FunctionTask
from mrmesos.api.hooks import AsTask, HookContext, InClient
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
    from mrmesos.api.executors import TaskExecutor
    from mrmesos.api.sessions import Session

__all__ = [
    "Aggregate",
    "ArrowInput",
    "ArrowOutput",
    "AsTask",
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
    "FunctionTask",
    "HashPartitioner",
    "HookContext",
    "InClient",
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
    "TaskExecutor",
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

_LATE = {"Session": "mrmesos.api.sessions", "TaskExecutor": "mrmesos.api.executors"}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Import the names that run jobs when somebody asks for them, because workers do not need
        them.
        """
        if (place := _LATE.get(name)) is not None:
            from importlib import import_module

            return getattr(import_module(place), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
