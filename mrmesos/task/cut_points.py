"""Cut points that one job finds for another.

A step of a chain with TotalOrder needs its cut points before its maps begin. Its input does not
exist earlier, so a job of its own finds them.

Comes in: the sources to sample, or the output of such a job. Goes out: one record with the cut
points, or the cut points.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from mrmesos.api.formats import Source
from mrmesos.api.job import Job
from mrmesos.conf import JOB_REDUCES, Conf
from mrmesos.io.columns.encode import ColumnEncoder
from mrmesos.io.columns.schema import VALUE
from mrmesos.io.fs.filesystem import InputError
from mrmesos.io.input.read_back import output_files, read_file
from mrmesos.task.collect.map_sink import OutputSink, open_part
from mrmesos.task.drivers.progress import ResourceUsage
from mrmesos.task.files.job_files import cached
from mrmesos.task.map_task import MapResult
from mrmesos.task.sampling import find_cut_points
from mrmesos.wire.job import JobFacts
from mrmesos.wire.task import Attempt


def run_sampling(attempt: Attempt, facts: JobFacts, job: Job, work_dir: Path) -> MapResult:
    """Find the cut points for the job, and write them as the output of this map.

    Raises what find_cut_points raises, OutputError and OSError.
    """
    usage, spec = ResourceUsage(), facts.spec
    conf = Conf(spec.conf)
    found = find_cut_points(
        job,
        spec.sampled,
        conf,
        conf.get_as(JOB_REDUCES),
        cached(work_dir.parent, spec.files),
        pickle_key=facts.pickle_key,
    )
    sink = OutputSink(open_part(attempt, facts, job), ColumnEncoder())
    try:
        sink.write_pairs([0], [_packed(found)])
        written = sink.finish()
    except BaseException:
        sink.abort()
        raise
    return MapResult({"task": {**written, **usage.counters()}})


def read_cut_points(source: Source) -> pa.Array | None:
    """The cut points that `run_sampling` has written. Raises InputError."""
    for info in output_files(source.uris[0]):
        for given in read_file(info, source.format, records=False):
            for packed in given.columns.column(VALUE).to_pylist():
                return _unpacked(packed)
    raise InputError(f"{source.uris[0]} has no cut points")


def _packed(cuts: pa.Array | None) -> bytes:
    if cuts is None:
        return b""
    batch = pa.RecordBatch.from_arrays([cuts], ["cuts"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def _unpacked(packed: bytes) -> pa.Array | None:
    if not packed:
        return None
    with pa.ipc.open_stream(packed) as stream:
        return stream.read_next_batch().column(0)
