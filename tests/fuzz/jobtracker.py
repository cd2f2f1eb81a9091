"""Messages to a JobTracker: a real service with its HTTP server, and a fake Mesos."""

from __future__ import annotations

import http.client
import itertools
import json
import random
import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

import tests.minimesos
from mrmesos.access.signing import AUTHORIZATION, Signer
from mrmesos.conf import SETTINGS
from mrmesos.mesos.events import BadEvent, read_event
from mrmesos.mesos.scheduler_driver import SchedulerDriver
from mrmesos.wire.heartbeat import EndSlot, Heartbeat
from mrmesos.wire.job import JobSpec, JobState
from mrmesos.wire.task import Attempt
from tests.fuzz.making import NASTY, Maker, message, of_type, spoiled
from tests.jobtracker.fakes import FakeDriver, offer_json, wait_until
from tests.jobtracker.test_service import Desk, data_of, done

RENEW_EVERY = 500
"""After this many messages a new attempt runs, which heartbeats report."""
AGENT = "agent-S0"
_URI = re.compile(rb"[a-zA-Z0-9+.-]{0,12}://[^\"\\]*")


class FuzzDesk(Desk):
    """A desk whose driver gets records like those of a master's stream."""

    real: SchedulerDriver

    def _make_driver(self, callbacks: Any, *_more: Any) -> FakeDriver:
        info = {"user": "u", "name": "n", "failover_timeout": 0.0}
        self.real = SchedulerDriver(callbacks, info, "127.0.0.1:1", on_fatal=callbacks.fatal)
        self.real._started = self.real._subscribed = True
        return super()._make_driver(callbacks)

    def feed(self, record: bytes) -> None:
        try:
            event = read_event(record)
        except BadEvent as problem:
            self.real.refuse_event(record, str(problem))
        else:
            self.real.process_event(event)


def recorded() -> list[dict[str, Any]]:
    """Recorded events of real masters, without those that end a framework or its subscription."""
    found = []
    traces = Path(tests.minimesos.__path__[0]) / "traces"
    for trace in sorted(traces.glob("*.jsonl")):
        for line in trace.read_text().splitlines():
            entry = json.loads(line)
            body = entry.get("body")
            if entry.get("dir") == "event" and "framework" in entry and isinstance(body, dict):
                found.append(body)
    return [one for one in found if one.get("type") not in ("SUBSCRIBED", "ERROR", "HEARTBEAT")]


class JobTrackerFuzz:
    """`send()` messages, then `check()`; `close()` it."""

    name = "jobtracker"

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(f"jobtracker {seed}")
        self.statuses: Counter[str] = Counter()
        self._directory = tempfile.TemporaryDirectory(prefix="fuzz-")
        self._base = Path(self._directory.name)
        self.desk = FuzzDesk(
            {
                "tasktracker.heartbeat.seconds": "0.05",
                "jobtracker.jobs.max": "1000",
                "jobtracker.bearer.tokens": "true",  # unsigned requests cost less
            }
        )
        self.desk.service._front._api._held.release_all()  # no answer is held back
        self._make = Maker(self.rng)
        self._spec_type, self._beat_type = of_type(JobSpec), of_type(Heartbeat)
        self._good_spec = msgspec.to_builtins(self.desk.spec(self._base))
        self._events = recorded()
        self._taken: list[str] = []
        self._numbers = itertools.count(10**9)
        self._connection = http.client.HTTPConnection(self._address, timeout=60)
        self._tracker, self._attempt = self._start_job("first")
        self._sequence = self._sent = 0

    @property
    def _address(self) -> str:
        return self.desk.service.url.removeprefix("http://")

    def _start_job(self, name: str) -> tuple[str, Attempt]:
        directory = self._base / name
        directory.mkdir()
        job_id = self.desk.client.submit(self.desk.spec(directory))
        client = self.desk.client
        wait_until(lambda: client.status(job_id).state is JobState.RUNNING, "planning")
        return self._launch(job_id)

    def _launch(self, job_id: str) -> tuple[str, Attempt]:
        """Offer until the job's map is launched."""
        seen = len(self.desk.driver.named("accept"))
        found: list[tuple[str, Attempt]] = []

        def launched() -> bool:
            nonlocal seen
            number = next(self._numbers)
            offer = offer_json(number)
            offer["agent_id"] = {"value": f"honest-{number % 7}"}
            offer["hostname"] = f"honest-{number % 7}"
            assert self.desk.driver.callbacks is not None
            self.desk.driver.callbacks.offers([offer])
            self.desk.client.service_status()
            accepts = self.desk.driver.named("accept")
            for _, operations, _ in accepts[seen:]:
                for task in operations[0]["launch"]["task_infos"]:
                    tracker, data = task["executor"]["executor_id"]["value"], data_of(task)
                    self.desk.keys[tracker] = data.key
                    if data.first is not None and data.first.job_id == job_id:
                        found.append((tracker, data.first))
            seen = len(accepts)
            return bool(found)

        wait_until(launched, "a launch")
        return found[0]

    # Messages.

    def send(self) -> None:
        """Send one message of a random kind."""
        self._sent += 1
        if self._sent % RENEW_EVERY == 0:
            self._kill_taken()
            self._taken.append(self._attempt.job_id)
            self._kill_taken()
            self._tracker, self._attempt = self._start_job(f"live-{self._sent}")
        chance = self.rng.random()
        if chance < 0.35:
            self._heartbeat()
        elif chance < 0.6:
            self._submit()
        elif chance < 0.9:
            self._event()
        else:
            self._anything()

    def _heartbeat(self) -> None:
        rng, attempt = self.rng, self._attempt
        self._sequence += 1
        progress = {"attempt_id": attempt.attempt_id, "progress": 0.5, "status": "s"}
        error = {"kind": "user code", "message": "m", "detail": "d"}
        report = {
            "attempt_id": rng.choice((attempt.attempt_id, "attempt_1_0001_m_000000_0")),
            "slot_id": attempt.slot_id,
            "state": rng.choice(("FAILED", "KILLED")),
            "started": 1.0,
            "ended": 2.0,
            "counters": {"g": {"n": 1}},
            "error": error,
            "fetch_failed": [attempt.attempt_id],
            "log_tail": "t",
        }
        good: Any = {
            "tracker_id": self._tracker,
            "agent_id": AGENT,
            "hostname": "h",
            "url": "http://127.0.0.1:1",
            "sequence": self._sequence,
            "acknowledged": 0,
            "slots": [attempt.slot_id],
            "progress": [progress],
            "attempts": {attempt.slot_id: attempt.attempt_id},
            "reports": [report] if rng.random() < 0.2 else [],
        }
        if rng.random() < 0.3:
            good = {**self._make.make(self._beat_type), "tracker_id": self._tracker}
        body = message(rng, good)
        signed = Signer(self._tracker, self.desk.keys[self._tracker])
        header = signed.sign("POST", "/api/v1/heartbeat", body)
        self._ask("POST", "/api/v1/heartbeat", body, {AUTHORIZATION: header})

    def _submit(self) -> None:
        rng = self.rng
        good = dict(self._good_spec)
        good["conf"] = {
            "job.maps": "1",
            **{
                rng.choice(list(SETTINGS)): str(rng.choice(NASTY))[:100]
                for _ in range(rng.randrange(3))
            },
        }
        if rng.random() < 0.3:
            made = self._make.make(self._spec_type)
            good |= {name: made[name] for name in rng.sample(list(made), 4)}
        good["output"] = f"file://{self._base}/out-{rng.getrandbits(32)}"
        body = message(rng, good)
        if any(not uri.startswith(self._allowed) for uri in _URI.findall(body)):
            body = spoiled(rng, b"")  # read and create nothing outside our directory
        headers = self._as_client()
        if rng.random() < 0.3:
            headers["Idempotency-Key"] = rng.choice(("k", "é", "a b", "\xff", "x" * 3_000))
        status, answer = self._ask("POST", "/api/v1/jobs", body, headers)
        if status == 201:
            self._taken.append(msgspec.json.decode(answer)["job_id"])
        if len(self._taken) >= 20:
            self._kill_taken()

    @property
    def _allowed(self) -> tuple[bytes, ...]:
        return (f"file://{self._base}/".encode(), b"file:///nowhere", b"http://127.0.0.1:1")

    def _kill_taken(self) -> None:
        for job_id in self._taken:
            self._ask("POST", f"/api/v1/jobs/{job_id}/kill", b"", self._as_client())
        self._taken.clear()

    def _event(self) -> None:
        rng = self.rng
        good: Any
        if rng.random() < 0.6:
            good = rng.choice(self._events)
        else:
            good = rng.choice(
                [
                    {"type": "OFFERS", "offers": {"offers": [offer_json(rng.randrange(10**6))]}},
                    {
                        "type": "UPDATE",
                        "update": {
                            "status": {
                                "task_id": {"value": f"slot_{rng.randrange(9)}"},
                                "agent_id": {"value": AGENT},
                                "state": "TASK_RUNNING",
                                "uuid": "AAAAAAAAAAAAAAAAAAAAAA==",
                                "message": "m",
                            }
                        },
                    },
                    {
                        "type": "INVERSE_OFFERS",
                        "inverse_offers": {
                            "inverse_offers": [
                                {
                                    "id": {"value": "i"},
                                    "agent_id": {"value": AGENT},
                                    "unavailability": {"start": {"nanoseconds": 10**18}},
                                }
                            ]
                        },
                    },
                    {"type": "FAILURE", "failure": {"agent_id": {"value": "nobody"}}},
                ]
            )
        body = message(rng, good)
        self.desk.feed(body)
        self.statuses["event"] += 1

    def _anything(self) -> None:
        rng = self.rng
        name = rng.choice(
            ("job_1", "%ff", "%00", "..", "x" * 500, "%f0%9f%98%80", "attempt_1_1_m_0_0")
        )
        path = rng.choice(
            (
                f"/api/v1/jobs/{name}",
                f"/api/v1/jobs/{name}?wait={rng.choice(('nan', '-1', 'x', '%ff'))}",
                f"/api/v1/jobs/{name}/report",
                f"/api/v1/jobs/{name}/kill?by={rng.choice(('%0a', '%ff', 'me'))}",
                f"/api/v1/jobs/{name}/facts",
                f"/api/v1/attempts/{name}/logs?stream={rng.choice(('stderr', '%ff'))}",
                f"/api/v1/code/{name}",
                "/api/v1/status",
                "/health",
                f"/{name}",
            )
        )
        method = rng.choice(("GET", "POST", "PUT", "DELETE", "HEAD", "PATCH"))
        headers = self._as_client()
        if rng.random() < 0.3:
            headers["Content-Encoding"] = rng.choice(("gzip", "deflate", "br", "x"))
        if rng.random() < 0.1:
            headers[AUTHORIZATION] = rng.choice(("", "Bearer x", "Mrmesos a:b:c:d:e", "\xff" * 9))
        body = spoiled(rng, rng.randbytes(30)) if method in ("POST", "PUT", "PATCH") else b""
        self._ask(method, path, body, headers)

    def _as_client(self) -> dict[str, str]:
        return {AUTHORIZATION: f"Bearer {self.desk.service.token}"}

    def _ask(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        for again in (True, False):
            try:
                self._connection.request(method, path, body, headers)
                answer = self._connection.getresponse()
                content = answer.read()
            except (http.client.HTTPException, OSError):
                self._connection.close()
                if not again:
                    raise
            else:
                break
        self.statuses[str(answer.status)] += 1
        known = answer.status < 500 or answer.status == 503
        assert known, (answer.status, method, path, content[:500], body[:2_000])
        return answer.status, content

    # Checks.

    def check(self) -> None:
        """Check that the service lives, logged no failure, and runs an honest job."""
        assert self.desk.service.failure is None
        self._kill_taken()
        status = self.desk.client.service_status()
        assert not status.set_aside, status
        name = f"honest-{next(self._numbers)}"
        tracker, attempt = self._start_job(name)
        written = self._base / name / "out" / "_temporary" / attempt.attempt_id
        written.mkdir()
        (written / "part-m-00000").write_text("x\n")
        self.desk.acknowledged = 0
        answer = self.desk.beat(tracker, [attempt.slot_id])
        answer = self.desk.beat(tracker, [attempt.slot_id], [done(attempt)])
        while EndSlot(attempt.slot_id) not in [one.action for one in answer.actions]:
            if any(getattr(one.action, "attempt", None) for one in answer.actions):
                break  # it has another attempt to run
            answer = self.desk.beat(tracker, [attempt.slot_id])
        assert self.desk.client.status(attempt.job_id, wait=20).state is JobState.SUCCEEDED

    def close(self) -> None:
        """End it."""
        self._connection.close()
        self.desk.client.close()
        self.desk.service.stop(timeout=2.0)
        self._directory.cleanup()
