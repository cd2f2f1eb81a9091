"""Writes the script of a streaming job: an ordinary job's script, which `submit` runs."""

from __future__ import annotations

from mrmesos.streaming.options import StreamingOptions
from mrmesos.streaming.spec import ProgramKind, StreamIo, encode_spec

_SCRIPT = '''"""A Hadoop Streaming job, written by `mrmesos streaming`."""

from mrmesos.api import HashPartitioner, Job, SortedReducer, TotalOrder
from mrmesos.api.formats import KeyValueTextInput, NullOutput, TextInput, TextOutput
from mrmesos.streaming import aggregate, keys, tasks
from mrmesos.streaming.spec import decode_spec

SPEC = decode_spec({spec!r})


class StreamMapper(tasks.{mapper}):
    spec = SPEC


class StreamCombiner(tasks.StreamCombiner):
    spec = SPEC


class StreamReducer(tasks.StreamReducer):
    spec = SPEC


class IdentityReducer(tasks.IdentityReducer):
    spec = SPEC


class KeyFieldPartitioner(keys.KeyFieldPartitioner):
    spec = SPEC


class StreamJob(Job):
    mapper = StreamMapper
    combiner = {combiner}
    reducer = {reducer}
    partitioner = {partitioner}
    num_reducers = {num_reducers}
    input_format = {input_format!r}
    output_format = {output_format!r}
'''

_COMBINERS = {
    ProgramKind.COMMAND: "StreamCombiner",
    ProgramKind.AGGREGATE: "aggregate.HadoopAggregateCombiner",
    ProgramKind.IDENTITY: "None",
    ProgramKind.NONE: "None",
}


def job_script(options: StreamingOptions) -> str:
    """The text of the script."""
    spec = options.spec
    plain = not spec.comparator and spec.sent is not StreamIo.TYPEDBYTES and not spec.counts_repeats
    identity = "SortedReducer" if plain else "IdentityReducer"
    reducers = {
        ProgramKind.COMMAND: "StreamReducer",
        ProgramKind.AGGREGATE: "aggregate.HadoopAggregateReducer",
        ProgramKind.IDENTITY: identity,
        ProgramKind.NONE: "None",
    }
    return _SCRIPT.format(
        spec=encode_spec(spec),
        mapper="StreamMapper" if spec.mapper.kind is ProgramKind.COMMAND else "IdentityMapper",
        combiner=_COMBINERS[spec.combiner.kind],
        reducer=reducers[spec.reducer.kind],
        partitioner=options.partitioner,
        num_reducers=options.num_reducers,
        input_format=options.input_format,
        output_format=options.output_format,
    )
