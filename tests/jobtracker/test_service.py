"""The running service, with the real core, HTTP and files. Only the Mesos driver is a fake."""

from __future__ import annotations

import base64
import gc
import hashlib
import http.client
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mrmesos.access.signing import AUTHORIZATION, REPLY, Signer, derived_key
from mrmesos.client.api_client import ApiProblem, JobTrackerClient
from mrmesos.conf import Conf
from mrmesos.jobtracker.core.jobtracker import JobTracker
from mrmesos.jobtracker.core.messages.events import Event, Tick
from mrmesos.jobtracker.http.server import AddressError, address_towards, split_address
from mrmesos.jobtracker.service import JobTrackerService
from mrmesos.wire.heartbeat import EndSlot, Heartbeat, HeartbeatAnswer, RunAttempt
from mrmesos.wire.job import FileKind, JobFacts, JobFile, JobSpec, JobState
from mrmesos.wire.task import Attempt, AttemptReport, AttemptState, SlotData
from tests.jobtracker.fakes import FakeDriver, offer_json, wait_until
from tests.wire.specs import job_spec

CODE = b"a pickled job"


class Desk:
    """A service, its fake driver, and a client."""

    def __init__(
        self, conf: dict[str, str], election: str = "", accept: bool = False, token: str = ""
    ) -> None:
        self.drivers: list[FakeDriver] = []
        self.service = JobTrackerService(
            Conf(conf),
            "127.0.0.1:5050",
            election=election,
            token=token,
            accept_journal_loss=accept,
            make_driver=self._make_driver,
        )
        url = self.service.start()
        self.client = JobTrackerClient(url, token=self.service.token, retry_seconds=1.0)
        self.keys: dict[str, str] = {}
        self.sequence = 0
        self.acknowledged = 0

    def _make_driver(self, callbacks: Any, *_more: Any) -> FakeDriver:
        self.drivers.append(FakeDriver(callbacks))
        return self.drivers[0]

    @property
    def driver(self) -> FakeDriver:
        return self.drivers[0]

    def spec(self, directory: Path, **conf: str) -> JobSpec:
        (directory / "in.txt").write_text("a b\n")
        return job_spec(
            inputs=(f"file://{directory / 'in.txt'}",),
            output=f"file://{directory / 'out'}",
            num_reducers=0,
            conf={"job.maps": "1", **conf},
            code=self.client.upload(CODE),
        )

    def offer(self, number: int) -> list[dict[str, Any]]:
        """Make an offer. Returns the tasks that were launched on it."""
        before = len(self.driver.named("accept"))
        callbacks = self.driver.callbacks
        assert callbacks is not None
        callbacks.offers([offer_json(number)])
        wait_until(lambda: len(self.driver.named("accept")) > before, "a launch")
        tasks: list[dict[str, Any]] = []
        for operation in self.driver.named("accept")[-1][1]:
            tasks += operation["launch"]["task_infos"]
        for task in tasks:
            self.keys[task["executor"]["executor_id"]["value"]] = data_of(task).key
        return tasks

    def as_tracker(self, tracker: str, method: str, path: str, body: bytes = b"") -> bytes:
        """Send a TaskTracker's request. Returns the answer, after checking its proof."""
        secret = self.service._session.life.secret
        signer = Signer(tracker, self.keys.get(tracker) or derived_key(secret, tracker))
        connection = http.client.HTTPConnection(self.service.url.removeprefix("http://"))
        signed = signer.sign(method, path, body)
        connection.request(method, path, body, {AUTHORIZATION: signed})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if answer.status != 200:
            raise ApiProblem(answer.status, content.decode())
        digest = hashlib.sha256(content).hexdigest()
        assert signer.proves(signed, answer.headers[REPLY], digest)
        return content

    def beat(
        self, tracker: str, slots: list[str], reports: list[AttemptReport] | None = None
    ) -> HeartbeatAnswer:
        self.sequence += 1
        heartbeat = Heartbeat(
            tracker_id=tracker,
            agent_id="agent-S0",
            hostname="host-0.example",
            url="http://127.0.0.1:1",
            sequence=self.sequence,
            acknowledged=self.acknowledged,
            slots=slots,
            reports=reports or [],
        )
        body = self.as_tracker(tracker, "POST", "/api/v1/heartbeat", msgspec.json.encode(heartbeat))
        answer = msgspec.json.decode(body, type=HeartbeatAnswer)
        if answer.actions:
            self.acknowledged = answer.actions[-1].number
        return answer

    def facts(self, job_id: str, tracker: str) -> JobFacts:
        path = f"/api/v1/jobs/{job_id}/facts"
        return msgspec.json.decode(self.as_tracker(tracker, "GET", path), type=JobFacts)


def data_of(task: dict[str, Any]) -> SlotData:
    return msgspec.json.decode(base64.b64decode(task["data"]), type=SlotData)


def first_of(task: dict[str, Any]) -> Attempt:
    first = data_of(task).first
    assert first is not None
    return first


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk({"tasktracker.heartbeat.seconds": "0.05"})
    yield desk
    desk.driver.thaw.set()
    desk.service.stop(timeout=0.5)
    assert not [t for t in threading.enumerate() if t.name in ("jobtracker", "http", "mesos-calls")]


def done(attempt: Attempt) -> AttemptReport:
    return AttemptReport(
        attempt_id=attempt.attempt_id,
        slot_id=attempt.slot_id,
        state=AttemptState.SUCCEEDED,
        started=1.0,
        ended=2.0,
        counters={"task": {"MAP_INPUT_RECORDS": 1}},
    )


def test_a_job_from_submission_to_success(desk: Desk, tmp_path: Path) -> None:
    job_id = desk.client.submit(desk.spec(tmp_path))
    wait_until(lambda: desk.client.status(job_id).state is JobState.RUNNING, "planning")
    (task,) = desk.offer(1)
    attempt = first_of(task)
    tracker = task["executor"]["executor_id"]["value"]
    facts = desk.facts(job_id, tracker)
    assert (facts.num_maps, len(facts.token)) == (1, 32)
    code = desk.service.codes.path(facts.spec.code)
    assert code is not None
    assert code.read_bytes() == CODE
    desk.beat(tracker, [attempt.slot_id])
    written = tmp_path / "out" / "_temporary" / attempt.attempt_id
    written.mkdir()
    (written / "part-m-00000").write_text("x\n")
    answer = desk.beat(tracker, [attempt.slot_id], [done(attempt)])
    while not answer.actions:
        answer = desk.beat(tracker, [attempt.slot_id])
    assert EndSlot(attempt.slot_id) in [numbered.action for numbered in answer.actions]
    status = desk.client.status(job_id, wait=20)
    assert status.state is JobState.SUCCEEDED
    assert status.counters["task"]["MAP_INPUT_RECORDS"] == 1
    assert (tmp_path / "out" / "part-m-00000").read_text() == "x\n"
    assert [row.id for row in desk.client.report(job_id).attempts] == [attempt.attempt_id]
    assert [one.job_id for one in desk.client.statuses()] == [job_id]


def test_the_tasks_of_a_job_are_kept_from_full_looks_for_garbage(
    desk: Desk, tmp_path: Path
) -> None:
    job_id = desk.client.submit(desk.spec(tmp_path))
    wait_until(lambda: gc.get_freeze_count() > 0, "the plan")
    desk.client.kill(job_id, "me")
    wait_until(lambda: gc.get_freeze_count() == 0, "the end")


def test_files_are_uploaded_in_pieces_and_once(desk: Desk, tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(20 << 20)
    with large.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    desk.client.upload_file(sha256, large)
    kept = desk.service.codes.path(sha256)
    assert kept is not None
    assert kept.stat().st_size == 20 << 20
    assert not desk.service.codes.damaged(sha256)
    large.unlink()
    desk.client.upload_file(sha256, large)  # the client does not even open the file


def test_a_file_over_the_limit_is_refused_in_words(tmp_path: Path) -> None:
    desk = Desk({"job.cache.limit.max-single-resource-mb": "1"})
    try:
        large = tmp_path / "large"
        large.write_bytes(bytes(30 << 20))
        with pytest.raises(ApiProblem, match="31457280 bytes are over the limit of 1048576"):
            desk.client.upload_file("0" * 64, large)
        spec = desk.spec(tmp_path)
        file = JobFile(name="x", sha256="0" * 64, size=1, kind=FileKind.FILE)
        with pytest.raises(ApiProblem, match="upload it, then submit"):
            desk.client.submit(msgspec.structs.replace(spec, files=(file,)))
        with pytest.raises(ApiProblem, match=r"pickled by Python 2\.7"):
            desk.client.submit(msgspec.structs.replace(spec, python="2.7"))
    finally:
        desk.service.stop(teardown=False, timeout=5)
    kept = desk.service.codes.path(spec.code)
    assert kept is not None
    assert not kept.parent.exists()


def test_unknown_trackers_are_told_so(desk: Desk) -> None:
    assert desk.beat("tracker_1_1", []) == HeartbeatAnswer([], unknown=True)


def test_specs_that_cannot_be_run_are_refused(desk: Desk, tmp_path: Path) -> None:
    good = desk.spec(tmp_path)
    for wrong, words in (
        ({"inputs": ()}, "no input"),
        ({"inputs": ("in.txt",)}, "not a URI"),
        ({"output": "out"}, "not a URI"),
        ({"conf": {"map.memory.mb": "much"}}, "map.memory.mb"),
        ({"conf": {"map.resources": "?"}}, "?"),
        ({"code": "0" * 64}, "upload"),
        ({"num_reducers": -1}, "num_reducers"),
    ):
        with pytest.raises(ApiProblem) as refusal:
            desk.client.submit(msgspec.structs.replace(good, **wrong))
        assert refusal.value.status == 400
        assert words in str(refusal.value)
    assert desk.client.statuses() == []


def test_the_same_submission_sent_twice_is_one_job(desk: Desk, tmp_path: Path) -> None:
    spec = desk.spec(tmp_path)
    first = desk.service.backend.submit(spec, "key").result(10)
    assert desk.service.backend.submit(spec, "key").result(10) == first
    assert desk.service.backend.submit(spec, "").result(10) != first


def test_a_killed_job_leaves_no_output(desk: Desk, tmp_path: Path) -> None:
    job_id = desk.client.submit(desk.spec(tmp_path))
    wait_until(lambda: (tmp_path / "out" / "_temporary").is_dir(), "planning")
    desk.client.kill(job_id, "me")
    assert desk.client.status(job_id, wait=20).state is JobState.KILLED
    assert not (tmp_path / "out").exists()
    with pytest.raises(ApiProblem, match="no job"):
        desk.client.kill("job_1_1", "me")


def test_a_job_that_cannot_be_planned_fails_with_the_reason(desk: Desk, tmp_path: Path) -> None:
    spec = desk.spec(tmp_path)
    (tmp_path / "in.txt").unlink()
    status = desk.client.status(desk.client.submit(spec), wait=20)
    assert status.state is JobState.FAILED
    assert status.error is not None
    assert "in.txt" in status.error.message
    assert not (tmp_path / "out").exists()


def test_a_frozen_master_does_not_hold_up_heartbeats(desk: Desk, tmp_path: Path) -> None:
    job_id = desk.client.submit(desk.spec(tmp_path))
    wait_until(lambda: desk.client.status(job_id).state is JobState.RUNNING, "planning")
    (task,) = desk.offer(1)
    desk.driver.frozen.set()
    callbacks = desk.driver.callbacks
    assert callbacks is not None
    callbacks.offers([offer_json(2)])
    wait_until(lambda: bool(desk.driver.named("decline")) or len(desk.driver.calls) > 2, "a call")
    tracker = task["executor"]["executor_id"]["value"]
    for _ in range(5):
        assert not desk.beat(tracker, [task["task_id"]["value"]]).unknown
    assert len(desk.client.statuses()) == 1


def test_stopping_kills_jobs_and_ends_the_framework(tmp_path: Path) -> None:
    desk = Desk({})
    desk.client.submit(desk.spec(tmp_path))
    wait_until(lambda: (tmp_path / "out" / "_temporary").is_dir(), "planning")
    assert desk.service.stop()
    assert desk.driver.stopped is False
    assert not (tmp_path / "out").exists()


def test_stopping_without_teardown_leaves_the_framework(tmp_path: Path) -> None:
    desk = Desk({})
    assert desk.service.stop(teardown=False)
    assert desk.driver.stopped is True


def test_a_core_that_fails_is_seen_by_everybody(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = JobTracker.handle

    def broken(core: JobTracker, event: Event, now: float) -> list[Any]:
        if isinstance(event, Tick):
            raise KeyError("a bug")
        return list(handle(core, event, now))

    monkeypatch.setattr(JobTracker, "handle", broken)
    assert desk.service.wait_failed(20)
    assert isinstance(desk.service.failure, KeyError)
    with pytest.raises(ApiProblem, match="a bug") as refusal:
        desk.client.statuses()
    assert refusal.value.status == 503


def test_a_framework_that_mesos_ends_is_a_failure(desk: Desk) -> None:
    callbacks = desk.driver.callbacks
    assert callbacks is not None
    callbacks.error("Framework has been removed")
    assert desk.service.wait_failed(20)
    assert "removed" in str(desk.service.failure)


def test_an_attempt_killed_goes_by_the_next_heartbeat(desk: Desk, tmp_path: Path) -> None:
    job_id = desk.client.submit(desk.spec(tmp_path))
    wait_until(lambda: desk.client.status(job_id).state is JobState.RUNNING, "planning")
    (task,) = desk.offer(1)
    tracker, slot = task["executor"]["executor_id"]["value"], task["task_id"]["value"]
    desk.beat(tracker, [slot])
    desk.client.kill(job_id, "me")
    answer = desk.beat(tracker, [slot])
    assert answer.actions
    assert not any(isinstance(one.action, RunAttempt) for one in answer.actions)


def test_listening_where_somebody_does_is_told(desk: Desk) -> None:
    host, port = split_address(desk.service.url.removeprefix("http://"))
    other = JobTrackerService(
        Conf(), "127.0.0.1:5050", host=host, port=port, make_driver=lambda *_: FakeDriver()
    )
    with pytest.raises(AddressError, match="cannot listen"):
        other.start()


@pytest.mark.parametrize(
    "master", ["127.0.0.1:5050", "http://127.0.0.1:5050", "zk://u:p@127.0.0.1:2181,x:1/mesos"]
)
def test_the_address_towards_a_master_here(master: str) -> None:
    assert address_towards(master) == "127.0.0.1"


@pytest.mark.parametrize("text", ["", "host", "host:", ":80", "host:x", "host:70000"])
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(AddressError):
        split_address(text)


def test_a_master_that_asks_who_we_are_is_told_with_what_to_set() -> None:
    desk = Desk({})
    try:
        assert desk.driver.callbacks is not None
        desk.driver.callbacks.error("SUBSCRIBE was refused: HTTP 401")
        assert desk.service.wait_failed(10)
        words = "HTTP 401; the master asks who we are: set mesos.principal and mesos.secret.file"
        assert words in str(desk.service.failure)
    finally:
        desk.client.close()
        desk.service.stop(timeout=0.5)
