from __future__ import annotations

import pytest

from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.state import queries, reports
from mrmesos.wire.job import Sandbox
from mrmesos.wire.task import AttemptProgress
from tests.jobtracker.harness import Hands, launches, long, short


def test_a_status_while_the_job_runs() -> None:
    hands = Hands()
    job = hands.job(("a",), (), (), reduces=1)
    launched = launches(hands.offer("a", cpus=2))
    hands.now += 2
    hands.beat(
        launched[0].tracker_id,
        progress=[AttemptProgress(attempt_id=long(job, "m0"), progress=0.5, status="half")],
    )
    maps = hands.status(job).maps
    assert (maps.total, maps.pending, maps.running, maps.succeeded) == (3, 1, 2, 0)
    assert maps.progress == pytest.approx(0.5 / 3)
    assert hands.status(job).note == "m_000000: half"
    hands.fail(long(job, "m1"))
    hands.end(long(job, "m0"))
    status = hands.status(job)
    assert status.note == "", "it has ended"
    assert status.maps.failed_attempts == 1
    counters = status.counters["job"]
    assert counters["LAUNCHED_MAPS"] == 4
    assert (counters["DATA_LOCAL_MAPS"], counters["OTHER_LOCAL_MAPS"]) == (1, 3)
    assert (counters["FAILED_MAPS"], counters["MILLIS_MAPS"]) == (1, 4000)


def test_a_report_has_a_row_for_every_attempt_also_after_the_end() -> None:
    hands = Hands()
    job = hands.job(maps=1)
    hands.offer("a")
    hands.fail(long(job, "m0"), None)
    tracker = hands.tracker_of[long(job, "m0.1")]
    running = queries.attempt_logs(hands.core.st, long(job, "m0.1"))
    assert running is not None
    assert running[:5] == (f"http://{tracker}", "", job, "token", tracker)
    assert "a" in running.hosts
    sandbox = Sandbox("http://a:5051", hands.core.st.subscription.framework_id, tracker)
    assert running.sandbox == sandbox
    hands.end(long(job, "m0.1"), log_tail="printed")
    hands.do(ev.JobCommitted(job))
    report = queries.job_report(hands.core.st, job)
    assert report is not None
    rows = [(short(row.id), row.kind, row.hostname, row.state) for row in report.attempts]
    assert rows == [("m0", "map", "a", "FAILED"), ("m0.1", "map", "a", "SUCCEEDED")]
    assert report.attempts[0].error is not None
    assert report.attempts[1].end is not None
    location = queries.attempt_logs(hands.core.st, long(job, "m0.1"))
    assert location is not None
    assert location.kept == "printed"
    assert location.url == "", "its TaskTracker has forgotten it"
    assert location.hosts == ("a",)
    assert location.sandbox == sandbox == report.attempts[0].sandbox, "Mesos has not"
    assert queries.attempt_logs(hands.core.st, "nonsense") is None
    assert queries.attempt_logs(hands.core.st, long(job, "m5")) is None


def test_what_is_kept_of_logs_and_reports_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    tails = reports.AttemptTexts(4, 10)
    for name, text in (("a", "aaaa"), ("b", "bbbb"), ("a", "aAAAA"), ("c", "cccc")):
        tails.put(name, text)
    assert [tails.get(name) for name in "abc"] == ["AAAA", "", "cccc"]
    assert tails.some("xac", 1) == {"a": "AAAA"}
    monkeypatch.setattr(reports, "ROWS_KEPT", 3)
    ended = reports.EndedJobs(2)
    hands = Hands()
    for maps in (1, 2, 2):
        job = hands.job(maps=maps)
        hands.offer(f"agent{maps}", cpus=8)
        report = queries.job_report(hands.core.st, job)
        assert report is not None
        ended.add(report)
        for index in range(maps):
            hands.end(long(job, f"m{index}"))
    assert [status.maps.total for status in ended.statuses()] == [2, 2]
    kept = [ended.get(status.job_id) for status in ended.statuses()]
    assert [len(report.attempts) for report in kept if report is not None] == [0, 2]


def waiting(hands: Hands, job: str) -> str:
    hands.later(6)
    return hands.status(job).waiting


def test_it_is_said_why_nothing_runs() -> None:
    hands = Hands()
    job = hands.job(maps=1, map_memory_mb="4000")
    assert waiting(hands, job) == "no offers received from Mesos"
    hands.offer("a", cpus=2, mem=4000)
    assert waiting(hands, job) == (
        "the largest offer seen had 2 CPUs, 4,000 MiB of memory, but a map needs 1 CPU, "
        "4,000 MiB of memory, and 128 MiB of memory for its TaskTracker"
    )
    hands.do(ev.Disconnected())
    assert waiting(hands, job) == "not connected to the Mesos master"
    hands.do(ev.Registered("f"))
    hands.offer("b", mem=5000)
    hands.offer("b", cpus=3, mem=5000)
    assert hands.status(job).waiting == ""


def test_a_job_behind_another_is_told_which() -> None:
    hands = Hands()
    first, second = hands.job(maps=5), hands.job(maps=1)
    hands.offer("a")
    assert waiting(hands, second) == f"waits behind {first}"
    assert hands.status(first).waiting == ""
