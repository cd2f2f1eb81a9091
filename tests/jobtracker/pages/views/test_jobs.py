"""Lists, groups of errors, and the timeline."""

from __future__ import annotations

import re

from msgspec.structs import replace

from mrmesos.jobtracker.history.record import HistoryRecord
from mrmesos.jobtracker.pages.views import timeline as picture
from mrmesos.jobtracker.pages.views.jobs import Asked, JobLine, error_groups, select_jobs
from mrmesos.jobtracker.pages.views.timeline import kind_of, timeline
from mrmesos.wire import ids
from mrmesos.wire.ids import TaskKind
from mrmesos.wire.job import AttemptRow, JobReport
from mrmesos.wire.task import AttemptError, ErrorKind, Locality
from tests.jobtracker.history.runs import BOOM, ended_run

JOB = "job_202611201130_0001"


def row(
    index: int,
    *,
    host: str = "a",
    slot: str = "s1",
    start: float = 100.0,
    end: float | None = 110.0,
    state: str = "SUCCEEDED",
    locality: Locality = Locality.NODE_LOCAL,
    backup: bool = False,
    error: AttemptError | None = None,
    kind: TaskKind = TaskKind.MAP,
) -> AttemptRow:
    return AttemptRow(
        id=ids.attempt_id(JOB, kind, index, 0),
        kind=kind.value,
        hostname=host,
        locality=locality,
        start=start,
        end=end,
        state=state,
        error=error,
        slot=slot,
        backup=backup,
    )


def failed(index: int, kind: ErrorKind, message: str, end: float, host: str = "a") -> AttemptRow:
    error = AttemptError(kind=kind, message=message)
    return row(index, end=end, state="FAILED", error=error, host=host)


def record(*rows: AttemptRow, error: AttemptError | None = None) -> HistoryRecord:
    status = replace(ended_run((1,)).report.status, error=error)
    return HistoryRecord(report=JobReport(status=status, attempts=list(rows)))


def line(job_id: str, state: str, *, running: int = 0, submitted: float = 0.0) -> JobLine:
    return JobLine(job_id, job_id, "u", state, submitted, None, 1, 1, running=running)


def test_jobs_are_grouped_by_what_they_do() -> None:
    jobs = [
        line("j1", "RUNNING", running=2),
        line("j2", "RUNNING"),
        line("j3", "PREP"),
        line("j4", "COMMITTING"),
        line("j5", "FAILED"),
    ]
    groups = select_jobs(jobs, Asked())
    assert {name: [job.job_id for job in found] for name, found in groups.items()} == {
        "running": ["j1", "j3", "j4"],
        "waiting": ["j2"],
        "ended": ["j5"],
    }
    only = select_jobs(jobs, Asked.of({"state": "failed", "q": "J5"}))
    assert [len(found) for found in only.values()] == [0, 0, 1]


def test_what_a_query_cannot_mean_counts_as_nothing() -> None:
    asked = Asked.of({"page": "-1", "sort": "x" * 99, "state": "<b>", "q": " a "})
    assert (asked.page, asked.text) == (1, "a")
    assert select_jobs([line("j1", "RUNNING")], Asked(sort="nonsense"))["waiting"]


def test_the_first_real_error_is_on_top_and_equal_ones_are_one() -> None:
    rows = (
        failed(1, ErrorKind.LOST, "agent node-3 was lost", 105.0),
        failed(2, ErrorKind.USER_CODE, "ValueError: row 17", 107.0),
        failed(3, ErrorKind.USER_CODE, "ValueError: row 9,123", 106.0, host="b"),
        failed(4, ErrorKind.MEMORY, "too much", 101.0),
    )
    cause = AttemptError(kind=ErrorKind.MEMORY, message="too much")
    found = error_groups(record(*rows, error=cause))
    assert (found[0].error.message, found[0].is_cause) == ("too much", True)
    assert found[-1].error.kind is ErrorKind.LOST
    found = error_groups(record(*rows[:3]))
    assert [(one.error.message, one.attempts) for one in found] == [
        ("ValueError: row 9,123", 1),
        ("ValueError: row 17", 1),
        ("agent node-3 was lost", 1),
    ]
    alike = error_groups(record(*rows[1:2], replace(rows[1], id=rows[0].id)))
    assert [(one.attempts, one.hosts) for one in alike] == [(2, ["a"])]


def test_an_error_without_an_attempt_is_shown_too() -> None:
    (group,) = error_groups(record(error=BOOM))
    assert (group.error, group.attempts, group.is_cause) == (BOOM, 0, True)


def test_a_mark_tells_state_kind_and_locality() -> None:
    assert kind_of(row(1)) == "node"
    assert kind_of(row(1, locality=Locality.RACK_LOCAL)) == "rack"
    assert kind_of(row(1, locality=Locality.ANY)) == "far"
    assert kind_of(row(1, kind=TaskKind.REDUCE)) == "reduce"
    assert kind_of(row(1, state="FAILED")) == "failed"
    assert kind_of(row(1, state="RUNNING", end=None)) == "running"


def test_a_slot_is_a_lane_and_time_goes_to_the_right() -> None:
    drawn = timeline(
        [
            row(1, host="b", slot="s3"),
            row(2, slot="s1"),
            row(3, slot="s1", start=110.0, end=None, state="RUNNING", backup=True),
            row(4, slot="s2", start=105.0),
        ],
        now=130.0,
    )
    assert drawn is not None
    one, two, three, four = drawn.marks
    assert two.y == three.y < four.y < one.y  # the lanes of host a are above that of b
    assert (two.x, three.x) == (picture.LEFT, picture.LEFT + 280.0)
    assert three.x + three.width == picture.WIDTH - picture.RIGHT
    assert [name.text for name in drawn.names] == ["a", "b"]
    assert drawn.ticks[0].text == "0 s"
    assert drawn.kinds == ["node", "running", "backup"]
    assert "speculative" in three.title
    assert timeline([], now=1.0) is None


def test_many_attempts_are_one_path_for_each_kind() -> None:
    rows = [row(n, slot=f"s{n % 500}", start=100.0 + n, end=101.0 + n) for n in range(3000)]
    rows[7] = replace(rows[7], state="FAILED", backup=True)
    drawn = timeline(rows, now=1.0)
    assert drawn is not None
    assert not drawn.marks
    assert (drawn.slots, drawn.lanes) == (500, picture.LANES_MAX)
    assert drawn.paths["node"].count("M") == 2999
    assert drawn.paths["failed"].count("M") == drawn.backups.count("M") == 1
    assert re.fullmatch(r"(M\d+ \d+\.\dh\d+)+", drawn.paths["node"])
    assert drawn.height <= picture.AXIS + picture.LANES_MAX * picture.LANE_MIN
