"""A core with hands: says events to it in short words and keeps what it commands."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from msgspec.structs import replace

from mrmesos.api.split import FileSlice, Split
from mrmesos.conf import Conf
from mrmesos.jobtracker.core.jobtracker import JobTracker
from mrmesos.jobtracker.core.messages import commands as cmd
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.state import queries
from mrmesos.jobtracker.mesos.slot_updates import slot_updated
from mrmesos.wire import heartbeat as hb
from mrmesos.wire.job import JobSpec, JobStatus
from mrmesos.wire.task import (
    Attempt,
    AttemptError,
    AttemptProgress,
    AttemptReport,
    AttemptState,
    ErrorKind,
)
from tests.wire.specs import job_spec

C = TypeVar("C")
STAMP = "202611201130"
SILENCE = "tasktracker.silence.seconds"


def scalar(name: str, value: float, **more: Any) -> dict[str, Any]:
    """One Resource JSON."""
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}, **more}


def spec(reduces: int = 0, **conf: str) -> JobSpec:
    """A job; `map_maxattempts="1"` sets map.maxattempts."""
    settings = {name.replace("_", "."): value for name, value in conf.items()}
    return job_spec(user="me", num_reducers=reduces, conf=settings)


def splits(*hosts: tuple[str, ...]) -> tuple[Split, ...]:
    """One split for each tuple of hosts."""
    return tuple(Split((FileSlice("memory://in", i, 1),), 1, h) for i, h in enumerate(hosts))


def error(message: str = "boom", kind: ErrorKind = ErrorKind.USER_CODE) -> AttemptError:
    """An attempt's error."""
    return AttemptError(kind=kind, message=message)


class Hands:
    """See the module. Every method validates the core afterwards and returns its commands."""

    def __init__(self, conf: Mapping[str, str] | None = None) -> None:
        # Nobody is silent unless a test says so: TaskTrackers speak only when they are told to.
        self.core = JobTracker(Conf({SILENCE: "3600", **(conf or {})}), STAMP)
        self.now = 1000.0
        self.master_speaks = True  # its HEARTBEAT, as often as may be
        self.offers = 0
        self.planned: list[cmd.Command] = []
        self.sequence: dict[str, int] = {}
        self.slots: dict[str, list[str]] = {}
        self.running: dict[str, Attempt] = {}
        self.tracker_of: dict[str, str] = {}
        self.agent_of: dict[str, str] = {}
        self.acknowledged: dict[str, int] = {}
        self.do(ev.Registered("framework"))

    def do(self, event: ev.Event) -> list[cmd.Command]:
        """Handle an event. Of each TaskTracker a heartbeat is held: one that is woken asks for its
        answer at once.
        """
        if self.master_speaks:
            self.core.st.subscription.master_heard = self.now
        commands = self.core.handle(event, self.now)
        self.core.validate()
        for command in commands:
            if isinstance(command, cmd.AcceptOffers):
                for launch in command.launches:
                    self.agent_of[launch.tracker_id] = launch.agent_id
                    self.slots.setdefault(launch.tracker_id, []).append(launch.slot_id)
                    self._started(launch.tracker_id, launch.first)
            elif isinstance(command, cmd.AnswerHeartbeat):
                for numbered in command.actions or ():
                    self.acknowledged[command.tracker_id] = numbered.number
                    action = numbered.action
                    if isinstance(action, hb.RunAttempt):
                        self._started(command.tracker_id, action.attempt)
                    elif isinstance(action, hb.EndSlot):
                        self.slots[command.tracker_id].remove(action.slot_id)
        for command in of(commands, cmd.WakeTracker):
            done = self.acknowledged.get(command.tracker_id, 0)
            commands += self.do(ev.AnswerAsked(command.tracker_id, done))
        empty = (None, ())  # which most answers are
        return [
            command
            for command in commands
            if not isinstance(command, cmd.AnswerHeartbeat) or command.actions not in empty
        ]

    def _started(self, tracker_id: str, attempt: Attempt) -> None:
        self.running[attempt.attempt_id] = attempt
        self.tracker_of[attempt.attempt_id] = tracker_id

    def later(self, seconds: float) -> list[cmd.Command]:
        """Time passes, with a tick every half second."""
        commands = []
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + 0.5)
            commands += self.do(ev.Tick())
        return commands

    def job(
        self,
        *hosts: tuple[str, ...],
        reduces: int = 0,
        maps: int = 0,
        session: str = "",
        **conf: str,
    ) -> str:
        """Submit and plan a job with these splits (or `maps` without hosts)."""
        job_id = self.core.next_job_id()
        described = replace(spec(reduces, **conf), session=session)
        self.do(ev.JobSubmitted(job_id, described, "token"))
        self.planned = self.do(ev.JobPlanned(job_id, splits(*hosts, *([()] * maps))))
        return job_id

    def offer(self, *agents: str, cpus: float = 1.0, mem: float = 8192.0) -> list[cmd.Command]:
        """Offers of agents named `a`, on hosts `a`."""
        return self.do(ev.OffersReceived(tuple(self.an_offer(a, cpus, mem) for a in agents)))

    def an_offer(self, agent: str, cpus: float = 1.0, mem: float = 8192.0) -> ev.Offer:
        """One offer, not yet sent."""
        self.offers += 1
        resources = (scalar("cpus", cpus), scalar("mem", mem))
        url = f"http://{agent}:5051"
        return ev.Offer(f"o{self.offers}", agent, agent, resources, agent_url=url)

    def beat(
        self,
        tracker_id: str,
        reports: Sequence[AttemptReport] = (),
        progress: Sequence[AttemptProgress] = (),
        sequence: int | None = None,
        slots: Sequence[str] | None = None,
    ) -> list[cmd.Command]:
        """A heartbeat."""
        if sequence is None:
            sequence = self.sequence[tracker_id] = self.sequence.get(tracker_id, 0) + 1
        return self.do(
            ev.HeartbeatReceived(
                hb.Heartbeat(
                    tracker_id=tracker_id,
                    agent_id=self.agent_of.get(tracker_id, ""),
                    hostname=self.agent_of.get(tracker_id, ""),
                    url=f"http://{tracker_id}",
                    sequence=sequence,
                    acknowledged=self.acknowledged.get(tracker_id, 0),
                    slots=list(self.slots.get(tracker_id, []) if slots is None else slots),
                    reports=list(reports),
                    progress=list(progress),
                )
            )
        )

    def report(
        self,
        attempt_id: str,
        state: AttemptState = AttemptState.SUCCEEDED,
        why: AttemptError | None = None,
        **more: Any,
    ) -> AttemptReport:
        """How an attempt ended."""
        return AttemptReport(
            attempt_id=attempt_id,
            slot_id=self.running[attempt_id].slot_id,
            state=state,
            started=self.now,
            ended=self.now,
            error=why,
            **{"counters": {"task": {"RECORDS": 5}}, **more},
        )

    def end(
        self,
        attempt_id: str,
        state: AttemptState = AttemptState.SUCCEEDED,
        why: AttemptError | None = None,
        **more: Any,
    ) -> list[cmd.Command]:
        """An attempt ends and its tracker says so."""
        report = self.report(attempt_id, state, why, **more)
        del self.running[attempt_id]
        return self.beat(self.tracker_of[attempt_id], [report])

    def fail(self, attempt_id: str, why: AttemptError | None = None) -> list[cmd.Command]:
        """An attempt fails."""
        return self.end(attempt_id, AttemptState.FAILED, why or error())

    def update(
        self, slot_id: str, state: str, reason: str = "", uuid: str = ""
    ) -> list[cmd.Command]:
        """A status update of Mesos."""
        agent = next((self.agent_of[t] for t, s in self.slots.items() if slot_id in s), "")
        return self.do(slot_updated(slot_id, agent, state, reason, "words", uuid))

    def status(self, job_id: str) -> JobStatus:
        """A job's status."""
        status = queries.job_status(self.core.st, job_id)
        assert status is not None
        return status


def reducing(reduces: int, conf: Mapping[str, str] | None = None) -> tuple[Hands, str]:
    """A job whose one map has run on `m`, and whose reduces run on agents of their own, a, b, …"""
    hands = Hands(conf)
    job = hands.job(maps=1, reduces=reduces, reduce_memory_mb="4096")
    hands.offer("m", mem=2048)
    hands.end(long(job, "m0"))
    hands.offer(*"abcdefgh"[:reduces])
    assert hands.status(job).reduces.running == reduces
    return hands, job


def of(commands: Sequence[object], kind: type[C]) -> list[C]:
    """The commands of one kind; of actions too."""
    found: list[C] = []
    for command in commands:
        if isinstance(command, kind):
            found.append(command)
        if isinstance(command, cmd.AnswerHeartbeat):
            actions = [numbered.action for numbered in command.actions or ()]
            found += [action for action in actions if isinstance(action, kind)]
    return found


def launches(commands: Sequence[object]) -> list[cmd.SlotLaunch]:
    """All launches in some commands."""
    return [launch for accept in of(commands, cmd.AcceptOffers) for launch in accept.launches]


def started(commands: Sequence[object]) -> list[str]:
    """The attempts that begin by some commands, shortened to `m3` or `m3.1` for a retry."""
    ids = [launch.first.attempt_id for launch in launches(commands)]
    ids += [action.attempt.attempt_id for action in of(commands, hb.RunAttempt)]
    return [short(attempt_id) for attempt_id in ids]


def short(attempt_id: str) -> str:
    """`m3` or `m3.1` for attempt 0 and 1 of map 3."""
    _, _, _, letter, index, number = attempt_id.split("_")
    return f"{letter}{int(index)}" + (f".{number}" if number != "0" else "")


def long(job_id: str, name: str) -> str:
    """The attempt id that `short` shortened."""
    task, _, number = name.partition(".")
    return f"attempt{job_id[3:]}_{task[0]}_{int(task[1:]):06d}_{number or 0}"


def core_module(name: str) -> ModuleType:
    """The module of the core that has this name, whichever folder it stands in."""
    core = Path(importlib.import_module("mrmesos.jobtracker.core").__path__[0])
    [path] = core.rglob(f"{name}.py")
    place = ".".join(path.relative_to(core).with_suffix("").parts)
    return importlib.import_module(f"mrmesos.jobtracker.core.{place}")
