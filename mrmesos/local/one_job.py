"""Runs one job in this process: the same tasks as on a cluster, one after another, without a
network.

In: a job and its inputs. Out: its records, counters and files. Thread: the caller's.
"""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import cloudpickle
import msgspec
import pyarrow as pa

from mrmesos.api.context import Counters, add_counters
from mrmesos.api.formats import Source, input_data, output_data
from mrmesos.api.job import Job, JobError, class_settings
from mrmesos.api.split import Split
from mrmesos.conf import AUTO, JOB_MAPS, JOB_REDUCES, Conf
from mrmesos.io.code.code_pickle import dumps
from mrmesos.io.columns.encode import decode_batch
from mrmesos.io.input.footers import footers_here
from mrmesos.io.input.splits import plan_sources
from mrmesos.io.output.commit import OutputCommitter
from mrmesos.io.output.writer import Writer
from mrmesos.io.shuffle.index import INDEX_FILE, OUTPUT_FILE, MapOutputIndex
from mrmesos.io.shuffle.segments import Segment, read_segment
from mrmesos.task.collect.map_sink import open_part
from mrmesos.task.collect.sorted_runs import SortedRun
from mrmesos.task.drivers.user_code import TaskError
from mrmesos.task.files.job_files import cached, link
from mrmesos.task.map_task import run_map
from mrmesos.task.reduce_task import run_reduce
from mrmesos.task.sampling import find_cut_points, needs_cut_points
from mrmesos.wire.ids import TaskKind, attempt_id
from mrmesos.wire.job import FileKind, JobFacts, JobFile, JobSpec
from mrmesos.wire.task import Attempt, MapTask, ReduceTask

Inputs = str | bytes | Path | Sequence[str] | Sequence[Path] | Mapping[str, str | bytes]

_JOB_ID = "job_197001010000_0001"
_SPLITS, _REDUCES = 3, 2


class JobResult(msgspec.Struct, frozen=True):
    """The output of a job.

    `records` are the pairs of all part files in order, as Python objects. `files` has the committed
    files by name, without `_SUCCESS`. `counters` are the totals of all tasks.
    """

    records: list[tuple[Any, Any]]
    counters: Counters
    files: dict[str, bytes]


def run_tasks(
    job: Job,
    settings: Conf,
    scratch: Path,
    sources: Sequence[Source],
    files: Mapping[str, str | bytes | Path],
) -> JobResult:
    """Run all tasks of a job, and commit to `scratch/output`.

    Raises the exception of the user's code; JobError, InputError and so on as in a real run.
    """
    # Tasks get a pickled copy of the job, as on a cluster.
    job = cloudpickle.loads(dumps(job))
    failed: TaskError
    try:
        job_files = _cached_files(files, scratch)
        reduces = settings.get_as(JOB_REDUCES)
        if needs_cut_points(job, reduces):
            paths = cached(scratch, job_files)
            job.cut_points = find_cut_points(
                job, sources, settings, reduces, paths, pickle_key=_PICKLE_KEY
            )
        return _LocalRun(job, settings, scratch, sources, job_files).result()
    except TaskError as exc:
        failed = exc
    raise _users_own(failed)


def settings_of(
    job_class: type[Job],
    conf: Mapping[str, object],
    defaults: Mapping[str, str],
    splits: int | None,
    num_reducers: int | None,
) -> Conf:
    """The settings of a job. Raises ConfError."""
    values = {JOB_MAPS.name: str(_SPLITS), JOB_REDUCES.name: str(_REDUCES)}
    values |= {**defaults, **class_settings(job_class)}
    values |= {name: str(value) for name, value in conf.items()}
    if splits is not None:
        values[JOB_MAPS.name] = str(splits)
    if num_reducers is not None:
        values[JOB_REDUCES.name] = str(num_reducers)
    if job_class.reducer is None:
        values[JOB_REDUCES.name] = "0"
    elif values[JOB_REDUCES.name] == AUTO:
        values[JOB_REDUCES.name] = str(_REDUCES)
    settings = Conf(values)
    for warning in settings.check(f"{job_class.__name__}.conf"):
        warnings.warn(warning, stacklevel=3)
    return settings


def _users_own(failed: TaskError) -> Exception:
    """The exception of the user's code with a note of its place; JobError if there is none."""
    error = failed.error
    cause = failed.__cause__
    exc = cause if isinstance(cause, Exception) else JobError(error.message)
    if cause is not exc and cause is not None:  # SystemExit and others that end a process
        exc.__cause__ = cause
    if error.where:
        exc.add_note(f"in {error.where}" + (f": record {error.record}" if error.record else ""))
    return exc


_PICKLE_KEY = secrets.token_hex(32)
"""So a job of this process reads values that an earlier job pickled as objects."""


class _Kept:
    """Writes a part file as usual, and also keeps its records in memory."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.batches: list[pa.RecordBatch] = []

    def write(self, batch: pa.RecordBatch) -> None:
        self.batches.append(batch)
        self._writer.write(batch)

    @property
    def pickled(self) -> int:
        return self._writer.pickled

    def close(self) -> tuple[int, int]:
        return self._writer.close()

    def abort(self) -> None:
        self._writer.abort()


class _LocalSegments:
    """One partition of map outputs in local files."""

    def __init__(self, directories: Sequence[Path], partition: int) -> None:
        self._directories = directories
        self._partition = partition
        self._bytes = 0

    def runs(self) -> list[SortedRun]:
        return [self._run(directory) for directory in self._directories]

    def _run(self, directory: Path) -> SortedRun:
        segment = Segment(*MapOutputIndex.read(directory / INDEX_FILE).segments[self._partition])
        self._bytes += segment.length
        data = directory / OUTPUT_FILE
        return SortedRun(segment.rows, segment.length, lambda: read_segment(data, segment))

    def fraction(self) -> float:
        return 1.0

    def fetched_bytes(self) -> int:
        return self._bytes

    def requests(self) -> int:
        return 0

    def fetch_failed(self) -> tuple[str, ...]:
        return ()

    def fetch_answered(self) -> tuple[str, ...]:
        return ()


class _LocalRun:
    """Runs one job, one task after another."""

    def __init__(
        self,
        job: Job,
        conf: Conf,
        scratch: Path,
        sources: Sequence[Source],
        files: tuple[JobFile, ...],
    ) -> None:
        self._job = job
        self._scratch = scratch
        plan = plan_sources(sources, conf, read_footers=footers_here)
        self._splits: list[Split] = plan.splits
        spec = JobSpec(
            name=type(job).__name__,
            user="test",
            inputs=tuple(uri for source in sources for uri in source.uris),
            output=str(scratch / "output"),
            input_format=input_data(job.input_format),
            output_format=output_data(job.output_format),
            num_reducers=conf.get_as(JOB_REDUCES),
            conf=dict(conf),
            code="",
            sources=tuple(sources),
            files=files,
        )
        self._facts = JobFacts(
            job_id=_JOB_ID,
            spec=spec,
            token="",
            num_maps=len(plan.splits),
            tables=plan.tables,
            pickle_key=_PICKLE_KEY,
        )
        self._parts: list[_Kept] = []
        self._counters: Counters = {}
        self._skipping: list[Attempt] = []

    def result(self) -> JobResult:
        """Run all tasks and commit."""
        reduces = self._facts.spec.num_reducers
        committer = OutputCommitter(self._facts.spec.output, pickle_key=_PICKLE_KEY)
        committer.setup_job()
        maps = [
            self._attempt(TaskKind.MAP, index, MapTask(split))
            for index, split in enumerate(self._splits)
        ]
        directories = [self._map(attempt) for attempt in maps]
        winners = maps
        if reduces:
            winners = [
                self._attempt(TaskKind.REDUCE, index, ReduceTask(index)) for index in range(reduces)
            ]
            for index, attempt in enumerate(winners):
                self._reduce(attempt, _LocalSegments(directories, index))
        kept_aside = self._skipping if reduces else []
        committer.commit_job([attempt.attempt_id for attempt in (*winners, *kept_aside)])
        output = Path(committer.path)
        files = {
            str(path.relative_to(output)): path.read_bytes()
            for path in sorted(output.rglob("*"))
            if path.is_file()
        }
        files.pop("_SUCCESS", None)
        return JobResult(list(self._records()), self._counters, files)

    def _attempt(self, kind: TaskKind, index: int, task: MapTask | ReduceTask) -> Attempt:
        name = attempt_id(_JOB_ID, kind, index, 0)
        (self._scratch / name).mkdir()
        return Attempt(attempt_id=name, job_id=_JOB_ID, slot_id="", task=task)

    def _open(self, attempt: Attempt, facts: JobFacts, job: Job) -> Writer:
        kept = _Kept(open_part(attempt, facts, job))
        self._parts.append(kept)
        return kept

    def _map(self, attempt: Attempt) -> Path:
        directory = self._scratch / attempt.attempt_id
        done = run_map(attempt, self._facts, self._job, directory, open_output=self._open)
        add_counters(self._counters, done.counters)
        if done.counters["task"].get("SKIPPED_RECORDS"):
            self._skipping.append(attempt)
        return directory

    def _reduce(self, attempt: Attempt, source: _LocalSegments) -> None:
        directory = self._scratch / attempt.attempt_id
        done = run_reduce(
            attempt, self._facts, self._job, directory, source, open_output=self._open
        )
        add_counters(self._counters, done.counters)

    def _records(self) -> Iterator[tuple[Any, Any]]:
        for part in self._parts:
            for batch in part.batches:
                keys, values = decode_batch(batch)
                yield from zip(keys, values, strict=True)


def _cached_files(given: Mapping[str, str | bytes | Path], scratch: Path) -> tuple[JobFile, ...]:
    """Put the files into `scratch`, in the same way as a TaskTracker puts them into a job's
    directory.
    """
    files = []
    for name, content in given.items():
        file = JobFile(name=name, sha256="", size=0, kind=FileKind.FILE)
        path = content if isinstance(content, Path) else scratch / "cache" / name
        if not isinstance(content, Path):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        link(scratch, file, path)
        files.append(file)
    return tuple(files)


def sources_of(job: Job, inputs: Inputs | Mapping[str, Inputs], directory: Path) -> list[Source]:
    """The job's inputs as files; for a job with several inputs, `inputs` has them by name."""
    if not job.inputs:
        only = cast(Inputs, inputs)
        return [Source("", tuple(materialise(only, directory)), input_data(job.input_format))]
    if not isinstance(inputs, Mapping) or set(inputs) != set(job.inputs):
        raise JobError(f"give the inputs of {type(job).__name__} by name: {', '.join(job.inputs)}")
    directory.mkdir()
    return [
        Source(
            name,
            tuple(materialise(inputs[name], directory / name)),
            input_data(given.format),
        )
        for name, given in job.inputs.items()
    ]


def materialise(inputs: Inputs, directory: Path) -> list[str]:
    """The URIs of the inputs. Text is first written to files in `directory`."""
    if isinstance(inputs, Path):
        return [str(inputs)]
    if not isinstance(inputs, str | bytes | Mapping):
        if all(isinstance(each, Path) for each in inputs):
            return [str(each) for each in inputs]
        if odd := [each for each in inputs if not isinstance(each, str)]:
            raise JobError(
                f"an input of {type(odd[0]).__name__} among lines: give a list of lines (text), a "
                "list of Paths, one text, the bytes of one file, or {name: text or bytes}"
            )
    directory.mkdir()
    if isinstance(inputs, Mapping):
        files = dict(inputs)
    elif isinstance(inputs, str | bytes):
        files = {"input.txt": inputs}
    else:
        files = {"input.txt": "".join(f"{line}\n" for line in inputs)}
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return [f"{directory}/**"]
