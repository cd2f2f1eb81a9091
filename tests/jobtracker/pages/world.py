"""A cluster with jobs in all states, for tests and pictures of the pages: the real core, the real
pages and a browser's HTTP; only agents and TaskTrackers are played.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from msgspec.structs import replace

from mrmesos.access.guard import RequestGuard
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.model.slot import SlotState
from mrmesos.jobtracker.core.state import queries, views
from mrmesos.jobtracker.core.state.reports import AttemptLogs
from mrmesos.jobtracker.core.state.state import State
from mrmesos.jobtracker.history.record import record_of
from mrmesos.jobtracker.http.live_logs import LiveLogs
from mrmesos.jobtracker.mesos.slot_updates import slot_updated
from mrmesos.jobtracker.pages.app import Pages
from mrmesos.jobtracker.pages.gate import Gate
from mrmesos.jobtracker.pages.kept import KeptSource
from mrmesos.jobtracker.pages.live import LiveSource
from mrmesos.jobtracker.pages.page import ROOT
from mrmesos.jobtracker.storage.history import History
from mrmesos.wire.chain import ChainSpec, StepSpec
from mrmesos.wire.job import JobReport, JobState, JobStatus
from mrmesos.wire.queue import QueueRequest, QueueSpec, TaskSpec
from mrmesos.wire.task import AttemptError, AttemptProgress, AttemptState, ErrorKind
from tests.jobtracker.harness import Hands, scalar, splits
from tests.jobtracker.history.runs import runs
from tests.wire.specs import job_spec

TOKEN = "the token of clients"
T = TypeVar("T")
NONE: Mapping[str, str] = {}

CULPRIT = AttemptError(
    kind=ErrorKind.USER_CODE,
    message="ValueError: invalid literal for int() with base 10: 'n/a'",
    detail=(
        'Traceback (most recent call last):\n  File "visits.py", line 14, in map\n'
        "    yield day, int(fields[3])\n               ~~~^^^^^^^^^^^\n"
        "ValueError: invalid literal for int() with base 10: 'n/a'"
    ),
    where="hdfs://nn/logs/visits-2026-11-28.tsv, offset 73,401,277",
    record=r"'2026-11-28\tde\t/checkout\tn/a\t200'",
)
LOST_DATABASE = AttemptError(
    kind=ErrorKind.USER_CODE,
    message="TimeoutError: no answer from db-3:5432",
    detail=(
        'Traceback (most recent call last):\n  File "release.py", line 31, in run\n'
        "    connection = connect(self.table.host, timeout=5)\n"
        "TimeoutError: no answer from db-3:5432"
    ),
)
TAIL = "reading hdfs://nn/logs/visits-2026-11-28.tsv\n3,411,002 records so far\n"


class PlayedCore:
    """The core as pages see it, asked at once."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands
        self.questions = 0

    def look(self, question: Callable[[State], T]) -> Future[T]:
        self.questions += 1
        return done(question(self._hands.core.st))

    def ended_statuses(self) -> Future[list[JobStatus]]:
        return self.look(lambda st: st.ended.statuses())

    def report(self, job_id: str) -> Future[JobReport | None]:
        return done(queries.job_report(self._hands.core.st, job_id))

    def logs(self, attempt_id: str) -> Future[AttemptLogs | None]:
        found = queries.attempt_logs(self._hands.core.st, attempt_id)
        return done(found._replace(url="") if found is not None else None)

    def move(self, job_id: str, priority: str, pool: str, by: str) -> Future[bool]:
        known = job_id in self._hands.core.st.jobs
        self._hands.do(ev.MoveAsked(job_id, priority, pool))
        return done(known)

    def kill(self, job_id: str, by: str) -> Future[bool]:
        st = self._hands.core.st
        known = any(job_id in all_ for all_ in (st.jobs, st.chains.live, st.queues.live))
        self._hands.do(ev.KillAsked(job_id, by))
        return done(known)


def done(value: T) -> Future[T]:
    future: Future[T] = Future()
    future.set_result(value)
    return future


def free_task(key: int, name: str, *after: int, **need: float) -> TaskSpec:
    """A free task that waits for others. `db_connections=1` is one of its needs."""
    needs = {"cpus": 1000, "mem": 512_000}
    needs |= {resource: round(amount * 1000) for resource, amount in need.items()}
    return TaskSpec(key=key, name=name, need=needs, payload=b"x", after=after)


class World:
    """Agents, jobs, and the pages that show them."""

    def __init__(self, directory: Path, *, agents: int = 12, begin: float | None = None) -> None:
        self.random = random.Random(7)
        self.hands = Hands(
            {
                "scheduler": "fair",
                "pools": "etl:weight=2,min=8;adhoc:weight=1",
                "resources.global": "db_connections:3",
            }
        )
        self.hands.now = time.time() - 600 if begin is None else begin
        self.agents = [f"node-{n:02d}.example" for n in range(1, agents + 1)]
        self.history = History(directory)
        self.core = PlayedCore(self.hands)
        self.gate = Gate(TOKEN, secure=False)
        self.source = LiveSource(self.core, LiveLogs(None), KeptSource(self.history))
        self.pages = Pages(self.source, self.gate, lambda: self.hands.now)

    def application(self) -> web.Application:
        app = web.Application()
        self.pages.attach(app)
        RequestGuard(pages=ROOT).stand_before(app)
        return app

    def submit(
        self,
        name: str,
        user: str,
        maps: int,
        reduces: int = 0,
        *,
        local: bool = True,
        place: str = "hdfs://nn",
        more: Mapping[str, str] = NONE,
        **conf: str,
    ) -> str:
        """Submit and plan a job. Its splits are on three agents each, if `local`.

        `map_maxattempts="1"` sets map.maxattempts; `more` are settings by their names.
        """
        settings = {key.replace("_", "."): value for key, value in conf.items()} | dict(more)
        spec = job_spec(
            name=name,
            user=user,
            num_reducers=reduces,
            conf=settings,
            overridden=tuple(settings)[:1],
            inputs=(f"{place}/logs/visits-2026-11-28.tsv",),
            output=f"{place}/out/{name.replace(' ', '-')}",
        )
        job_id = self.hands.core.next_job_id()
        self.hands.do(ev.JobSubmitted(job_id, spec, "token"))
        hosts = [
            tuple(self.random.sample(self.agents, min(3, len(self.agents)))) if local else ()
            for _ in range(maps)
        ]
        self.hands.do(ev.JobPlanned(job_id, splits(*hosts)))
        return job_id

    def chain(self, name: str, user: str, steps: Mapping[str, Sequence[str]]) -> str:
        """Submit a chain of these steps, each with those that it waits for."""
        data = f"hdfs://nn/out/_{name.replace(' ', '-')}_steps"
        made = tuple(
            StepSpec(
                name=step,
                job=job_spec(name=step, user=user, num_reducers=0, output=f"{data}/{step}"),
                identity="0" * 64,
                after=tuple(after),
            )
            for step, after in steps.items()
        )
        spec = ChainSpec(name=name, user=user, output="hdfs://nn/out", data=data, steps=made)
        core = self.hands.core
        jobs = tuple(ev.StepJob(core.next_job_id(), "token") for _ in made)
        chain_id = core.next_chain_id()
        self.hands.do(ev.ChainSubmitted(chain_id, spec, jobs))
        self.hands.do(ev.ChainPrepared(chain_id))
        self.plan_steps()
        return chain_id

    def queue(self, name: str, user: str, tasks: Sequence[TaskSpec]) -> str:
        """Open a queue with these free tasks."""
        queue_id = self.hands.core.next_queue_id()
        spec = QueueSpec(name=name, user=user, conf={}, code="0" * 64)
        self.hands.do(ev.QueueSubmitted(queue_id, spec, "token"))
        self.hands.do(ev.QueueRequested(queue_id, QueueRequest(tasks=tuple(tasks))))
        return queue_id

    def plan_steps(self) -> None:
        """Plan the jobs of steps that have begun."""
        for job in list(self.hands.core.st.jobs.values()):
            if job.planning and job.id in self.hands.core.st.chains.of_job:
                self.hands.do(ev.JobPlanned(job.id, splits(*[()] * 12)))

    def offers(self, cpus: float = 4.0) -> None:
        """All agents offer what they have not given away."""
        cluster = self.hands.core.st.cluster
        offers = []
        for number, name in enumerate(self.agents):
            held = sum(
                slot.taken.get("cpus", 0)
                for slot in cluster.slots.values()
                if slot.agent_id == name
            )
            free = cpus - held / 1000 - (0.1 if held else 0)
            if free >= 1:
                self.hands.offers += 1
                resources = (scalar("cpus", round(free, 3)), scalar("mem", 16384.0 * free / cpus))
                offers.append(
                    ev.Offer(
                        f"o{self.hands.offers}", name, name, resources, rack=f"rack-{number % 3}"
                    )
                )
        if offers:
            self.hands.do(ev.OffersReceived(tuple(offers)))

    def run(self, seconds: int, ends: Callable[[str], float] | None = None) -> None:
        """Seconds pass: offers come, attempts progress and end after about `ends(id)` seconds."""
        lasting = ends or (lambda _id: 20.0)
        for _ in range(seconds):
            self.hands.now += 1.0
            self.hands.do(ev.Tick())
            self._end_slots()
            if self.random.random() < 0.2:
                st = self.hands.core.st
                agents = views.agents_of(st, views.agent_ids(st))
                self.source.trend_keeper.add(replace(views.cluster_view(st), agents=agents))
            self.offers()
            for attempt_id in list(self.hands.running):
                attempt = self.hands.core.st.attempts.get(attempt_id)
                if attempt is None or attempt_id not in self.hands.running:
                    continue
                full = lasting(attempt_id) * self.random.uniform(0.7, 1.3)
                if self.hands.now - attempt.start >= full:
                    self.end(attempt_id)
                elif self.random.random() < 0.2:
                    part = min(0.95, (self.hands.now - attempt.start) / full)
                    told = AttemptProgress(attempt_id=attempt_id, progress=part)
                    self.hands.beat(self.hands.tracker_of[attempt_id], progress=[told])

    def _end_slots(self) -> None:
        """Mesos says that slots which were given back have ended."""
        for slot in list(self.hands.core.st.cluster.slots.values()):
            if slot.state is SlotState.ENDING:
                self.hands.do(slot_updated(slot.id, slot.agent_id, "TASK_FINISHED", "", "", "u"))

    def end(self, attempt_id: str) -> None:
        """An attempt ends well."""
        records = int(self.random.lognormvariate(11, 0.4))
        kind = "MAP" if "_m_" in attempt_id else "REDUCE"
        counters = {
            f"{kind}_INPUT_RECORDS": records,
            f"{kind}_OUTPUT_RECORDS": records // 3,
            "CPU_MILLISECONDS": records // 9,
            "PHYSICAL_MEMORY_BYTES": records * 2048,
        }
        size = "MAP_INPUT_BYTES" if kind == "MAP" else "REDUCE_SHUFFLE_BYTES"
        counters[size] = records * 700
        self._say(attempt_id, AttemptState.SUCCEEDED, counters={"task": counters})

    def fail(self, attempt_id: str, error: AttemptError = CULPRIT) -> None:
        """An attempt fails."""
        self._say(attempt_id, AttemptState.FAILED, error=error)

    def _say(self, attempt_id: str, state: AttemptState, **more: object) -> None:
        error = more.get("error")
        if isinstance(error, AttemptError):
            host = self.hands.agent_of[self.hands.tracker_of[attempt_id]]
            error = replace(error, attempt_id=attempt_id, hostname=host)
            commands = self.hands.end(attempt_id, state, error, log_tail=f"[stderr]\n{TAIL}")
        else:
            commands = self.hands.end(attempt_id, state, counters=more["counters"])
        for run in runs(commands):
            self.history.put(record_of(run))

    def finish(self, job_id: str, *, failed: bool = False) -> None:
        """The filesystem answers: the job's output is committed or removed."""
        over = ev.JobAborted(job_id) if failed else ev.JobCommitted(job_id)
        for run in runs(self.hands.do(over)):
            self.history.put(record_of(run))

    def running_of(self, job_id: str) -> list[str]:
        """The running attempts of a job."""
        return [name for name in self.hands.running if name.startswith(f"attempt{job_id[3:]}")]


def busy(directory: Path) -> World:
    """Jobs that run, wait, failed and succeeded."""
    world = World(directory)
    first = world.submit("sessions by country", "ada", 60, 6, job_pool="etl")
    while world.hands.core.st.jobs[first].state is JobState.RUNNING:
        world.run(5, lambda name: 9.0 if "_m_" in name else 14.0)
    world.finish(first)
    broken = world.submit("visits per day", "grace", 24, 2, map_maxattempts="3", job_pool="adhoc")
    while broken in world.hands.core.st.jobs:
        world.run(4, lambda _name: 12.0)
        mine = world.running_of(broken)
        culprits = [name for name in mine if "_m_000007_" in name]
        for attempt_id in culprits:
            world.fail(attempt_id)
        if queries.job_status(world.hands.core.st, broken).state.value == "ABORTING":  # type: ignore[union-attr]
            world.finish(broken, failed=True)
    world.submit("daily word count", "ada", 160, 8, job_pool="etl", io_sort_mb="200")
    world.submit(
        "train ranking model", "linus", 4, 0, local=False, map_resources="gpus:1", job_pool="ml"
    )
    world.run(70, lambda name: 90.0 if name.endswith(("13_0", "21_0")) else 17.0)
    lost = [name for name in world.hands.running if "_0003_m_" in name][:1]
    for attempt_id in lost:
        world.fail(
            attempt_id,
            AttemptError(kind=ErrorKind.MEMORY, message="the worker took 1,312 MiB of 1,024 MiB"),
        )
    world.run(12, lambda name: 90.0 if name.endswith(("13_0", "21_0")) else 17.0)
    world.submit('top <b>pages</b> & "friends" \'; alert(1)', "mallory", 40, 1, job_pool="adhoc")
    graph = {"clean": (), "by country": ("clean",), "by day": ("clean",)}
    world.chain(
        "weekly report", "ada", {**graph, "join": ("by country", "by day"), "top": ("join",)}
    )
    tables = ("users", "orders", "visits", "prices", "stock")
    moves = [
        replace(free_task(n, f"migrate {name}", db_connections=1), retries=2)
        for n, name in enumerate(tables)
    ]
    after = [free_task(5, "check sums", 0, 1, 2), free_task(6, "switch over", 3, 4, 5)]
    world.queue("release 42", "ada", [*moves, *after, free_task(7, "announce", 6)])
    world.run(6, lambda _name: 40.0)
    world.plan_steps()
    world.run(2, lambda _name: 40.0)
    for attempt_id in [name for name in world.hands.running if "_t_" in name][:1]:
        world.fail(attempt_id, LOST_DATABASE)
    world.run(2, lambda _name: 40.0)
    return world


@asynccontextmanager
async def browsing(world: World) -> AsyncIterator[Browser]:
    """A browser at the pages of a world."""
    async with TestServer(world.application()) as server, aiohttp.ClientSession() as session:
        yield Browser(session, f"http://127.0.0.1:{server.port}")


class Browser:
    """Sends what a browser sends. Cookies are kept by hand, to see their attributes."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self.session, self.base = session, base
        self.cookie = ""

    async def ask(
        self, path: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] = NONE
    ) -> tuple[int, str, Mapping[str, str]]:
        sent = dict(headers)
        if self.cookie:
            sent["Cookie"] = self.cookie
        if form is not None:
            sent.setdefault("Origin", self.base)
        method = "GET" if form is None else "POST"
        async with self.session.request(
            method, self.base + path, data=form, headers=sent, allow_redirects=False
        ) as answer:
            return answer.status, await answer.text(), answer.headers

    async def log_in(self) -> None:
        _, _, headers = await self.ask("/ui/login", {"token": TOKEN})
        self.cookie = headers["Set-Cookie"].partition(";")[0]

    async def page(self, path: str) -> str:
        """A page that must be there."""
        status, text, _ = await self.ask(path)
        assert status == 200, (path, status, text)
        return text
