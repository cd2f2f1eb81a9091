"""What a job's author imports: Job, Mapper, Reducer, their batch twins, aggregates, formats.

Nothing here touches files, processes or the network (but `api.testing`, which runs a whole job).
"""

from mrmesos.api.aggregates import Aggregate, Count, CountDistinct, Max, Mean, Min, Sum, TopK
from mrmesos.api.context import Context, Counters, TaskFacts
from mrmesos.api.formats import ArrowOutput, ParquetOutput, TextInput, TextOutput
from mrmesos.api.job import Job, JobError
from mrmesos.api.split import FileSlice, Split
from mrmesos.api.tasks import (
    BatchMapper,
    BatchReducer,
    HashPartitioner,
    Mapper,
    Partitioner,
    Reducer,
    TotalOrder,
    pairs,
)

__all__ = [
    "Aggregate",
    "ArrowOutput",
    "BatchMapper",
    "BatchReducer",
    "Context",
    "Count",
    "CountDistinct",
    "Counters",
    "FileSlice",
    "HashPartitioner",
    "Job",
    "JobError",
    "Mapper",
    "Max",
    "Mean",
    "Min",
    "ParquetOutput",
    "Partitioner",
    "Reducer",
    "Split",
    "Sum",
    "TaskFacts",
    "TextInput",
    "TextOutput",
    "TopK",
    "TotalOrder",
    "pairs",
]
