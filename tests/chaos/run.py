"""A chaos run: jobs and faults at the same time, then a calm phase, then all checks.

Every job must succeed with the same bytes as without faults, unless the JobTracker reports that it
lost the job to damage of its own files. A job without progress must say what it waits for. At the
end nothing may be left: no process, no file, no resource. A failure is an AssertionError that names
the seed.
"""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from mrmesos.testing.faults import Injector
from mrmesos.testing.network import PacketFilter
from tests.chaos.cluster import AGENTS, ROLES, Cluster, Parts, _Process, wait_until
from tests.chaos.cuts import Cuts
from tests.chaos.damage import LOST, StateDamage, flip_two_segments
from tests.chaos.jobs import WORKLOADS
from tests.chaos.mesos_process import agent_address
from tests.chaos.waiting import Waiting

JOBS_AT_ONCE = 3
JOB_SECONDS = 900.0
"""A job that has not ended by then never will, even on a busy machine."""

NEVER_ANSWERED = "no answer from the JobTracker"

KINDS: dict[str, float] = {  # and their relative frequencies
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
    "flip two segments": 2,
    "flip journal": 1,
    "flip code": 0.5,
}
CUTS = {"cut hosts": 2.5, "cut host from jobtracker": 1}
"""Faults that need a packet filter."""
ELECTED = {"fail over": 1.5}
ALONE = {"stop mesos": 0.5}
"""Faults without an election: a stopped master would lose its session, and then exits."""


@dataclass(slots=True)
class Outcome:
    """The results of a run."""

    seed: int
    faults: dict[str, int]
    jobs: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    """Jobs that the JobTracker could not bring back from a damaged journal, and said so."""
    refused: int = 0
    """Starts on a damaged journal that were refused."""
    waited: dict[str, int] = field(default_factory=dict)
    attempts: Counter[str] = field(default_factory=Counter)
    job_seconds: list[float] = field(default_factory=list)
    calm_seconds: dict[str, float] = field(default_factory=dict)
    lives: int = 0
    seconds: float = 0.0
    """Seconds with faults."""

    def table(self) -> str:
        """Format for a terminal or a page."""
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
                f"JobTrackers: {self.lives}, {self.refused} starts refused for a damaged journal, "
                f"{self.lost} jobs lost with it; a job took {seconds[len(seconds) // 2]:.0f} s "
                f"(median; at most {seconds[-1]:.0f} s), undisturbed and alone {calm:.0f} s",
                *(f"waited ({times} looks): {why}" for why, times in self.waited.items()),
            ]
        )


@dataclass(slots=True)
class Running:
    """A running job."""

    name: str
    output: str
    client: _Process
    since: float


def chaos(
    directory: Path,
    seed: int,
    seconds: float,
    say: Callable[[str], None],
    *,
    zk: str = "",
    packets: PacketFilter | None = None,
    without: Sequence[str] = (),
) -> Outcome:
    """Run in an empty directory, with faults for `seconds`.

    With `zk` (zk://host:port/path), ZooKeeper elects the masters. Without `packets`, no hosts are
    cut from each other. `without` names kinds of faults to leave out.
    """
    rng = random.Random(seed)
    cluster = Cluster(directory, rng, zk)
    try:
        return _Chaos(cluster, rng, seed, say, packets, without).run(seconds)
    except BaseException:
        say(f"seed {seed} FAILED\n{cluster.log_tail() if cluster.url else ''}")
        raise
    finally:
        cluster.kill_all()


class _Chaos:
    def __init__(
        self,
        cluster: Cluster,
        rng: random.Random,
        seed: int,
        say: Callable[[str], None],
        packets: PacketFilter | None,
        without: Sequence[str],
    ) -> None:
        self.cluster, self.rng, self.say = cluster, rng, say
        self.damage = StateDamage(cluster, rng, say)
        more: dict[str, Callable[[], str]] = {
            f"{verb} agent": partial(cluster.agent, verb) for verb in ("lose", "restart", "part")
        }
        more |= {
            "kill jobtracker": cluster.kill_jobtracker,
            "fail over": cluster.fail_over,
            "flip two segments": partial(flip_two_segments, cluster.directory, rng),
            "flip journal": self.damage.flip_journal,
            "flip code": self.damage.flip_code,
        }
        kinds = KINDS | (ELECTED if cluster.elected else ALONE)
        self.cuts: Cuts | None = None
        if packets is not None:
            hosts = [agent_address(number) for number in range(AGENTS)]
            self.cuts = cuts = Cuts(packets, rng, hosts, self.under_way, time.monotonic)
            more["cut hosts"] = cuts.cut_hosts
            more["cut host from jobtracker"] = lambda: cuts.cut_jobtracker(cluster.port)
            kinds |= CUTS
        self.kinds = {kind: often for kind, often in kinds.items() if kind not in without}
        self.injector = Injector(cluster.directory, rng, ROLES, more)
        cluster.meanwhile = self.resume_due
        self.waiting = Waiting(cluster.client)
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
            if self.cuts is not None:
                self.cuts.mend_all()
        self.outcome.seconds = time.monotonic() - begin
        self.wait_for_jobs()
        wait_until(lambda: not self.cluster.resources_held(), "all resources to be given back")
        self.cluster.stop()
        self.outcome.faults = self.injector.by_kind()
        self.outcome.lives = self.cluster.lives
        self.outcome.refused = self.damage.refused
        self.outcome.waited = self.waiting.reasons
        return self.outcome

    def under_way(self) -> list[str]:
        return [job.output for job in self.running]

    def fail_until(self, end: float) -> None:
        """Keep jobs running, and cause a fault every few seconds."""
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
        for name in self.cuts.look() if self.cuts is not None else []:
            self.say(f"         {name} is whole again")

    def look(self) -> None:
        """Continue stopped processes, check that the JobTracker lives, and check ended jobs."""
        self.resume_due()
        jobtracker = self.cluster.jobtracker
        assert jobtracker is not None
        assert jobtracker.poll() is None, f"the JobTracker ended: {self.cluster.log_tail()}"
        self.waiting.look()
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
            # A client waits less for a JobTracker that has never answered.
            self.say(f"         {job.output} is submitted again")
            self.submit(job.name)
            return
        if job.client.returncode and LOST in log:
            self.lose(job)
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

    def lose(self, job: Running) -> None:
        """Record a job that the JobTracker reported as lost to damage of its files."""
        lost = [fault for fault in self.injector.log if fault.kind in ("flip journal", "flip code")]
        assert lost, f"{job.output} was lost, and nothing was damaged"
        self.say(f"         {job.output} was lost to damage, as it said")
        self.outcome.lost += 1
        # If the job's own record is damaged, the JobTracker does not know its output directory.
        shutil.rmtree(self.cluster.directory / "out" / job.output / "_temporary", True)
