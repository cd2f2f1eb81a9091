"""A chaos run: jobs and faults side by side for a while, then calm, and all is looked at.

Every job must succeed and leave the bytes that it leaves undisturbed; at the end nothing is left
over: no process, no file, no resource. What fails is an AssertionError that names the seed.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from mrmesos.testing.faults import Injector
from tests.chaos.cluster import ROLES, Cluster, Parts, _Process, wait_until
from tests.chaos.jobs import WORKLOADS

JOBS_AT_ONCE = 3
JOB_SECONDS = 900.0
"""A job that has not ended by then, on however busy a machine, never will."""

NEVER_ANSWERED = "no answer from the JobTracker"

KINDS: dict[str, float] = {  # and how often each, relative to the others
    "kill worker": 3,
    "pause worker": 1,
    "stop worker": 1,
    "cut worker": 2,
    "kill tasktracker": 2,
    "pause tasktracker": 1,
    "stop tasktracker": 1,
    "cut tasktracker": 3,
    "kill jobtracker": 2,
    "pause jobtracker": 1,
    "stop jobtracker": 0.5,
    "cut jobtracker": 2,
    "pause mesos": 1,
    "cut mesos": 2,
    "cut client": 1,
    "lose agent": 1,
    "restart agent": 1.5,
    "part agent": 1.5,
    "flip file.out": 3,
    "truncate file.out": 2,
    "remove file.out": 1,
    "flip file.out.index": 1,
}
ELECTED = {"fail over": 1.5}
ALONE = {"stop mesos": 0.5}
"""Not where masters are elected: they would lose their sessions, and Mesos' would end then."""


@dataclass(slots=True)
class Outcome:
    """What a run did and saw."""

    seed: int
    faults: dict[str, int]
    jobs: Counter[str] = field(default_factory=Counter)
    attempts: Counter[str] = field(default_factory=Counter)
    job_seconds: list[float] = field(default_factory=list)
    calm_seconds: dict[str, float] = field(default_factory=dict)
    lives: int = 0
    seconds: float = 0.0
    """In which there were faults."""

    def table(self) -> str:
        """For a terminal or a page."""
        count = sum(self.faults.values())
        seconds = sorted(self.job_seconds)
        calm = sum(self.calm_seconds.values()) / len(self.calm_seconds)
        return "\n".join(
            [
                "| fault | times |",
                "|---|---|",
                *(f"| {kind} | {times} |" for kind, times in self.faults.items()),
                f"| all | {count} |",
                "",
                f"seed {self.seed}, {self.seconds:.0f} s; jobs: {dict(self.jobs)}, all of the "
                f"bytes that they have undisturbed; attempts: {dict(self.attempts)}; "
                f"JobTrackers: {self.lives}; a job took {seconds[len(seconds) // 2]:.0f} s "
                f"(median; at most {seconds[-1]:.0f} s), undisturbed and alone {calm:.0f} s",
            ]
        )


@dataclass(slots=True)
class Running:
    """A job under way."""

    name: str
    output: str
    client: _Process
    since: float


def chaos(
    directory: Path, seed: int, seconds: float, say: Callable[[str], None], *, zk: str = ""
) -> Outcome:
    """Run it in an empty directory. `seconds` is the time in which there are faults; with `zk`
    (zk://host:port/path) masters are elected there.
    """
    rng = random.Random(seed)
    cluster = Cluster(directory, rng, zk)
    try:
        return _Chaos(cluster, rng, seed, say).run(seconds)
    except BaseException:
        say(f"seed {seed} FAILED\n{cluster.log_tail() if cluster.url else ''}")
        raise
    finally:
        cluster.kill_all()


class _Chaos:
    def __init__(
        self, cluster: Cluster, rng: random.Random, seed: int, say: Callable[[str], None]
    ) -> None:
        self.cluster, self.rng, self.say = cluster, rng, say
        more: dict[str, Callable[[], str]] = {
            f"{verb} agent": partial(cluster.agent, verb) for verb in ("lose", "restart", "part")
        }
        more |= {"kill jobtracker": cluster.kill_jobtracker, "fail over": cluster.fail_over}
        self.kinds = KINDS | (ELECTED if cluster.elected else ALONE)
        self.injector = Injector(cluster.directory, rng, ROLES, more)
        cluster.meanwhile = self.resume_due
        self.expected: dict[str, Parts] = {}
        self.running: list[Running] = []
        self.number = 0
        self.outcome = Outcome(seed, {})

    def run(self, seconds: float) -> Outcome:
        self.cluster.start_jobtracker()
        for name in WORKLOADS:
            self.submit(name)
            self.wait_for_jobs()
        self.say(f"undisturbed: {self.outcome.calm_seconds}")
        begin = time.monotonic()
        try:
            self.fail_until(begin + seconds)
        except KeyboardInterrupt:
            self.say("interrupted: no more faults, and no more jobs")
        finally:
            self.injector.resume_all()
        self.outcome.seconds = time.monotonic() - begin
        self.wait_for_jobs()
        wait_until(lambda: not self.cluster.resources_held(), "all resources to be given back")
        self.cluster.stop()
        self.outcome.faults = self.injector.by_kind()
        self.outcome.lives = self.cluster.lives
        return self.outcome

    def fail_until(self, end: float) -> None:
        """Keep jobs running, and let a fault happen every few seconds."""
        next_fault = time.monotonic() + 2.0
        while (now := time.monotonic()) < end:
            while len(self.running) < JOBS_AT_ONCE:
                self.submit(self.rng.choice(list(WORKLOADS)))
            self.look()
            if now >= next_fault:
                self.fault()
                next_fault = time.monotonic() + self.rng.uniform(0.5, 6.0)
            time.sleep(0.05)

    def fault(self) -> None:
        [kind] = self.rng.choices(list(self.kinds), list(self.kinds.values()))
        fault = self.injector.inject(kind)
        if fault is not None:
            self.say(f"{fault.at:8.2f} {fault.kind}: {fault.what}")

    def submit(self, name: str) -> None:
        self.number += 1
        output = f"{self.number:03d}-{name}"
        client = self.cluster.submit(name, output)
        self.running.append(Running(name, output, client, time.monotonic()))

    def wait_for_jobs(self) -> None:
        while self.running:
            self.look()
            time.sleep(0.05)

    def resume_due(self) -> None:
        self.injector.resume_due(time.monotonic())

    def look(self) -> None:
        """Let the stopped run on, see that the JobTracker lives, and judge jobs that ended."""
        self.resume_due()
        jobtracker = self.cluster.jobtracker
        assert jobtracker is not None
        assert jobtracker.poll() is None, f"the JobTracker ended: {self.cluster.log_tail()}"
        for job in list(self.running):
            lasts = time.monotonic() - job.since
            assert lasts < JOB_SECONDS, f"{job.output} does not end"
            if job.client.poll() is not None:
                self.running.remove(job)
                self.judge(job, lasts)

    def judge(self, job: Running, lasts: float) -> None:
        words = job.client.communicate()[0]
        log = (self.cluster.directory / "reports" / f"{job.output}.log").read_text()
        if job.client.returncode and NEVER_ANSWERED in log and "job_" not in log:
            # A JobTracker that never answered is not waited for as long as one that did.
            self.say(f"         {job.output} is submitted again")
            self.submit(job.name)
            return
        assert job.client.returncode == 0, f"{job.output}: {words}\n{log}"
        parts = self.cluster.parts(job.output)
        if job.name not in self.expected:
            assert "_SUCCESS" in parts
            assert sum(map(len, parts.values()))
            self.expected[job.name] = parts
            self.outcome.calm_seconds[job.name] = round(lasts, 1)
            return
        wrong = [
            name
            for name in parts.keys() | self.expected[job.name].keys()
            if parts.get(name) != self.expected[job.name].get(name)
        ]
        assert not wrong, f"{job.output} is not as undisturbed: {sorted(wrong)}"
        self.outcome.jobs[job.name] += 1
        self.outcome.job_seconds.append(lasts)
        self.outcome.attempts.update(self.cluster.attempts(job.output))
        self.say(f"         {job.output} is right, after {lasts:.1f} s")
