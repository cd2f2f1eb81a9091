"""Why a job was slow: five sick jobs and more, each diagnosed rightly, and a healthy one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from msgspec.structs import replace

from mrmesos.jobtracker.core.messages.job_run import TaskRun
from mrmesos.jobtracker.history.findings import findings
from mrmesos.jobtracker.history.record import HistoryRecord
from mrmesos.jobtracker.history.spread import durations, spreads
from mrmesos.wire.explain import Finding
from mrmesos.wire.ids import TaskKind, attempt_id, task_id
from mrmesos.wire.job import (
    AttemptRow,
    JobReport,
    JobState,
    JobStatus,
    MemoryRaised,
    TaskCounts,
)
from mrmesos.wire.task import AttemptError, AttemptState, ErrorKind, Locality
from tests.wire.specs import job_spec

JOB = "job_202611201130_0001"
MIB = 1 << 20
BOOM = AttemptError(kind=ErrorKind.USER_CODE, message="OSError: [Errno 5] Input/output error")
HOSTS = ("node-1", "node-2", "node-3", "node-4")
COUNTS = TaskCounts(
    total=0, pending=0, running=0, succeeded=0, failed_attempts=0, killed_attempts=0, progress=1.0
)


class Sick:
    """A job to make sick. Without further calls it is healthy: 40 maps and 8 reduces."""

    def __init__(self, maps: int = 40, reduces: int = 8) -> None:
        self.begin = 1000.0
        self.rows: list[AttemptRow] = []
        self.tasks: list[TaskRun] = []
        self.conf: dict[str, str] = {}
        for number in range(maps):
            self.task(TaskKind.MAP, number, 20.0 + number % 5, self.of_map())
        for number in range(reduces):
            shuffled = (90 + number) * MIB
            self.task(TaskKind.REDUCE, number, 30.0 + number, self.of_reduce(shuffled))

    @staticmethod
    def of_map(read: int = 128 * MIB, made: int = 40 * MIB, spills: float = 1.0) -> dict[str, int]:
        return {
            "MAP_INPUT_BYTES": read,
            "MAP_OUTPUT_BYTES": made,
            "MAP_OUTPUT_RECORDS": 1_000_000,
            "SPILLED_RECORDS": int(spills * 1_000_000),
        }

    @staticmethod
    def of_reduce(shuffled: int) -> dict[str, int]:
        return {"REDUCE_SHUFFLE_BYTES": shuffled, "REDUCE_INPUT_RECORDS": shuffled // 100}

    def task(
        self,
        kind: TaskKind,
        number: int,
        seconds: float,
        counters: Mapping[str, int],
        *,
        host: str = "",
        locality: Locality = Locality.NODE_LOCAL,
        files: int = 1,
    ) -> None:
        """A task that one attempt has done. It replaces the task of this number."""
        name = task_id(JOB, kind, number)
        self.rows = [row for row in self.rows if not row.id.startswith(f"attempt{name[4:]}_")]
        self.tasks = [task for task in self.tasks if task.id != name]
        self.attempt(kind, number, seconds, host or HOSTS[number % 4], locality=locality)
        split = files if kind is TaskKind.MAP else 0
        self.tasks.append(TaskRun(name, kind.value, {"task": dict(counters)}, (), split))

    def attempt(
        self,
        kind: TaskKind,
        number: int,
        seconds: float,
        host: str,
        *,
        tries: int = 0,
        error: AttemptError | None = None,
        locality: Locality = Locality.NODE_LOCAL,
    ) -> None:
        state = AttemptState.SUCCEEDED if error is None else AttemptState.FAILED
        self.rows.append(
            AttemptRow(
                id=attempt_id(JOB, kind, number, tries),
                kind=kind.value,
                hostname=host,
                locality=locality,
                start=self.begin,
                end=self.begin + seconds,
                state=state.value,
                error=error,
            )
        )

    def record(self) -> HistoryRecord:
        status = JobStatus(
            job_id=JOB,
            name="sick",
            user="ada",
            state=JobState.SUCCEEDED,
            submitted=998.0,
            started=999.0,
            ended=1200.0,
            maps=COUNTS,
            reduces=COUNTS,
            counters={},
            output="file:///out",
        )
        return HistoryRecord(
            report=JobReport(status=status, attempts=self.rows),
            spec=job_spec(conf=self.conf),
            spreads=[*durations(self.rows), *spreads(self.tasks)],
        )


def skew(job: Sick) -> None:
    job.task(TaskKind.REDUCE, 3, 300.0, job.of_reduce(1400 * MIB))


def straggler(job: Sick) -> None:
    job.task(TaskKind.MAP, 7, 95.0, job.of_map(), host="node-2")


def small_files(job: Sick) -> None:
    for number in range(40):
        job.task(TaskKind.MAP, number, 20.0, job.of_map(read=MIB), files=250)


def spills(job: Sick) -> None:
    for number in range(40):
        job.task(TaskKind.MAP, number, 25.0, job.of_map(made=300 * MIB, spills=2.0))


def bad_host(job: Sick) -> None:
    for number in (2, 6, 10, 14):
        job.attempt(TaskKind.MAP, number, 4.0, "node-3", tries=1, error=BOOM)


def slow_host(job: Sick) -> None:
    for number in range(1, 40, 4):
        job.task(TaskKind.MAP, number, 55.0, job.of_map(), host="node-2")


def far_data(job: Sick) -> None:
    for number in range(20):
        job.task(TaskKind.MAP, number, 36.0, job.of_map(), locality=Locality.ANY)


def retries(job: Sick) -> None:
    for number in range(8):
        job.attempt(TaskKind.MAP, number, 15.0, HOSTS[number % 4], tries=1, error=BOOM)


def late(job: Sick) -> None:
    for number, row in enumerate(job.rows):
        job.rows[number] = replace(row, start=row.start + 100, end=(row.end or 0) + 100)


CASES: dict[str, tuple[Callable[[Sick], None], tuple[str, ...], str]] = {
    "skew": (
        skew,
        ("reduce r_000003 got 1.4 GiB of map output, 14.9 times the median", "took 5 min 00 s"),
        "partitioner",
    ),
    "stragglers": (
        straggler,
        (
            "1 of 40 map attempts took more than 2 times the median of 22 s",
            "m_000007, took 1 min 35 s",
        ),
        "job.speculative",
    ),
    "small files": (
        small_files,
        ("10,000 files of 4.1 KiB on average were read by 40 maps, 250 files a map",),
        "split.maxsize",
    ),
    "spills": (
        spills,
        ("wrote each record 2.0 times to disk", "300.0 MiB of output", "buffer of 216.0 MiB"),
        "map.memory.mb=1488",
    ),
    "bad host": (
        bad_host,
        ("4 of 16 attempts on node-3 failed, and 0 of 36 elsewhere: OSError: [Errno 5]",),
        "hostname != node-3",
    ),
    "slow host": (slow_host, ("10 maps on node-2 took 55 s, and 22 s",), "hostname != node-2"),
    "locality": (
        far_data,
        ("50 % of the maps read their data over the network: 36 s instead of 22 s",),
        "locality.wait.node",
    ),
    "retries": (
        retries,
        ("8 attempts failed, after 2 min 00 s in all", "first error: OSError: [Errno 5]"),
        "skip.records.max",
    ),
    "waiting": (late, ("waited 1 min 42 s for its first attempt",), "job.priority"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_sick_job_is_diagnosed(name: str) -> None:
    make, words, setting = CASES[name]
    job = Sick()
    make(job)
    [found] = findings(job.record())
    assert found.what == name
    for each in words:
        assert each in found.words
    assert setting in found.help
    assert name == "waiting" or found.seconds >= 5


def test_a_healthy_job_has_no_findings() -> None:
    assert findings(Sick().record()) == []


def test_a_job_of_a_few_quick_tasks_has_no_findings() -> None:
    job = Sick(maps=0, reduces=0)
    for number, seconds in enumerate((0.3, 0.2, 2.9, 0.4)):
        job.task(TaskKind.MAP, number, seconds, job.of_map(read=1000))
    assert findings(job.record()) == []


def test_several_faults_are_told_by_what_they_cost() -> None:
    job = Sick()
    skew(job)
    bad_host(job)
    found: list[Finding] = findings(job.record())
    assert [each.what for each in found] == ["skew", "bad host"]
    assert found[0].seconds > found[1].seconds


def test_a_straggler_whose_backups_are_off_is_told_so() -> None:
    job = Sick()
    straggler(job)
    job.conf = {"map.speculative": "false"}
    assert "map.speculative=true" in findings(job.record())[0].help


def test_memory_that_was_raised_is_told() -> None:
    job = Sick()
    dead = AttemptError(kind=ErrorKind.MEMORY, message="used 1,100 MiB")
    job.attempt(TaskKind.MAP, 3, 4.0, "node-1", tries=1, error=dead)
    record = job.record()
    assert record.spec is not None
    raised = MemoryRaised("map.memory.mb", 1024, 2048, attempt_id(JOB, TaskKind.MAP, 3, 0))
    record = replace(record, spec=replace(record.spec, raised=(raised,)))
    [found] = [each for each in findings(record) if each.what == "memory"]
    assert found.words == (
        f"{raised.attempt_id} died of too little memory; later maps got 2 GiB and not 1 GiB; "
        "1 map died so"
    )
    assert found.help.startswith("map.memory.mb=2048")


def test_a_record_without_its_specification_is_no_problem() -> None:
    job = Sick()
    skew(job)

    assert findings(replace(job.record(), spec=None))[0].what == "skew"
