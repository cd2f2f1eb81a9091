"""A world whose users submit chains: jobs that begin when others have succeeded.

The JobTracker dies now and then, as in crashing.py. So a chain must come back with its whole state.
"""

from __future__ import annotations

from functools import partial

from msgspec.structs import replace

from mrmesos.jobtracker.core.messages import commands as cmd
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.state import queries
from mrmesos.simulator.faults.crashing import CrashingWorld
from mrmesos.simulator.faults.fault_plan import FaultPlan
from mrmesos.simulator.job_spec import simulated_job
from mrmesos.wire.chain import ChainSpec, ChainState, ChainStatus, StepSpec, StepState
from mrmesos.wire.task import AttemptError, ErrorKind

STEPS_MOST = 5


class ChainWorld(CrashingWorld):
    """`jobs_wanted` chains, each a random graph of steps."""

    def __init__(
        self,
        seed: int,
        faults: FaultPlan | None = None,
        *,
        crash: float = 0.004,
        power: float = 0.0,
    ) -> None:
        self.chains: dict[str, ChainSpec] = {}
        self.step_jobs: dict[str, dict[str, str]] = {}
        """By chain: the job of each step."""
        self.chain_of: dict[str, str] = {}
        self.chains_ended: dict[str, ChainState] = {}
        self.chains_killed: set[str] = set()
        self.cleaned: set[str] = set()
        self.earlier_data: dict[str, bool] = {}
        super().__init__(seed, faults, crash=crash, power=power)

    @property
    def jobs_over(self) -> bool:
        return len(self.chains_ended) == self.jobs_wanted

    def submit(self) -> None:
        if self.down:
            self.at(1.0, self.submit)
            return
        chain_id = self.core.next_chain_id()
        steps: list[StepSpec] = []
        jobs: list[ev.StepJob] = []
        for number in range(self.rng.randint(1, STEPS_MOST)):
            job_id = self.core.next_job_id()
            maps, reduces, conf = self.random_job()
            self.specs[job_id] = (maps, reduces)
            if conf["job.constraints"]:
                self.disks[job_id] = "ssd"
            before = [step.name for step in steps]
            after = tuple(self.rng.sample(before, self.rng.randint(0, min(2, number))))
            self.may_move(job_id, conf)
            data = "data/" if self.rng.random() < 0.7 else ""
            spec = simulated_job(f"s{number}", f"{chain_id}/{data}s{number}", reduces, conf)
            spec = replace(spec, session=self.session)
            steps.append(StepSpec(name=f"s{number}", job=spec, identity="0" * 64, after=after))
            jobs.append(ev.StepJob(job_id, "token"))
            self.chain_of[job_id] = chain_id
        where = f"sim://out/{chain_id}"
        chain = ChainSpec(
            name="chain", user="user", output=where, data=f"{where}/data", steps=tuple(steps)
        )
        self.chains[chain_id] = chain
        self.step_jobs[chain_id] = {
            step.name: job.job_id for step, job in zip(steps, jobs, strict=True)
        }
        self.tell(ev.ChainSubmitted(chain_id, chain, tuple(jobs), chain_id))
        if self.chance(self.faults.kill_job):
            when = self.rng.uniform(0, 60)
            # One in four while it is being prepared.
            self.at(when if when > 15 else when / 20, lambda: self.kill_chain(chain_id))

    def kill_chain(self, chain_id: str) -> None:
        if self.down or chain_id not in self.chains:
            return
        self.chains_killed.add(chain_id)
        self.tell(ev.KillAsked(chain_id, "somebody"))

    def carry_out(self, command: cmd.Command) -> None:
        super().carry_out(command)  # the JobTracker may die here
        match command:
            case cmd.PlanJob(job_id):
                self.check_begins(job_id)
            case cmd.CommitJob(job_id) if self.users.random() < self.faults.kill_job / 4:
                self.at(0.0, partial(self.kill_chain, self.chain_of[job_id]))
            case cmd.ChainEnded(chain_id):
                self.chain_ended(chain_id)

    def send_on(self, command: cmd.Command) -> None:
        """Carry out the commands for a planner's threads, and the commands without an answer. Mesos
        gets the others.
        """
        match command:
            case cmd.PrepareChain(chain_id):
                self.store_is_silent(chain_id)
                self.at(self.rng.uniform(0.01, 1.0), lambda: self.prepare(chain_id))
            case cmd.CleanChain(chain_id):
                self.check_clean(chain_id)
                self.store_is_silent(chain_id)
                self.at(self.rng.uniform(0.01, 1.0), lambda: self.clean(chain_id))
            case cmd.ChainEnded():
                pass
            case _:
                super().send_on(command)

    def prepare(self, chain_id: str) -> None:
        if self.chance(self.faults.plan_fails):
            error = AttemptError(kind=ErrorKind.INPUT, message="no such input")
            self.tell(ev.ChainPrepareFailed(chain_id, error))
            return
        kept: tuple[str, ...] = ()
        if chain_id not in self.cleaned and self.core.st.jobs.keys().isdisjoint(
            self.step_jobs[chain_id].values()
        ):
            first = self.chains[chain_id].steps[0]
            if self.chains[chain_id].is_intermediate(first) and self.has_data(chain_id):
                kept = (first.name,)
                self.committed.add(self.step_jobs[chain_id][first.name])
        self.tell(ev.ChainPrepared(chain_id, kept))

    def has_data(self, chain_id: str) -> bool:
        """Whether an earlier run left the data of the first step.

        A JobTracker that was killed asks again.
        """
        if chain_id not in self.earlier_data:
            self.earlier_data[chain_id] = self.rng.random() < 0.2
        return self.earlier_data[chain_id]

    def clean(self, chain_id: str) -> None:
        self.cleaned.add(chain_id)
        self.tell(ev.ChainCleaned(chain_id))

    # --- After a restart

    def submit_again(self) -> None:
        for chain_id in list(self.chains):
            status = queries.chain_status(self.core.st, chain_id)
            if status is None:  # it was never answered, so its client submits it again
                del self.chains[chain_id]
                for job_id in self.step_jobs.pop(chain_id).values():
                    del self.specs[job_id]
                self.at(0.5, self.submit)
            elif status.state.ended and chain_id not in self.chains_ended:
                self.chain_ended(chain_id)

    # --- Promises

    def check_begins(self, job_id: str) -> None:
        """A step begins when all steps for which it waits have succeeded."""
        chain_id = self.chain_of[job_id]
        jobs = self.step_jobs[chain_id]
        [step] = [one for one in self.chains[chain_id].steps if jobs[one.name] == job_id]
        early = [name for name in step.after if jobs[name] not in self.committed]
        assert not early, f"{step.name} of {chain_id} begins before {early}"

    def check_clean(self, chain_id: str) -> None:
        """Data that a later run could use are not removed."""
        status = self.status(chain_id)
        done = [step.name for step in status.steps if step.state.done]
        failed = len(done) < len(status.steps)
        intermediate = [s for s in self.chains[chain_id].steps if s.name in done]
        kept = failed and any(map(self.chains[chain_id].is_intermediate, intermediate))
        assert not kept, f"the data of {done} in {chain_id} are removed"

    def chain_ended(self, chain_id: str) -> None:
        """A chain ends once, and its end fits the ends of its steps."""
        assert chain_id not in self.chains_ended, f"{chain_id} ends twice"
        status = self.status(chain_id)
        assert status.state.ended, status
        self.chains_ended[chain_id] = status.state
        states = {step.state for step in status.steps}
        assert StepState.RUNNING not in states, status
        assert StepState.WAITING not in states, status
        won = all(step.state.done for step in status.steps)
        assert (status.state is ChainState.SUCCEEDED) == won or chain_id in self.unkept, status
        if status.state is ChainState.KILLED:
            assert chain_id in self.chains_killed, status
        if status.state is ChainState.FAILED:
            assert status.error is not None
        for step in status.steps:
            job_id = self.step_jobs[chain_id][step.name]
            assert step.state.done <= (job_id in self.committed), f"{step.name} is not complete"

    def check_ended(self, job_id: str) -> None:
        chain = self.core.st.chains.live.get(self.chain_of[job_id])
        if chain is None or chain.state is ChainState.STOPPING or chain.killed_by or chain.error:
            self.killed.add(job_id)  # it may have been killed, with its chain
        super().check_ended(job_id)

    def check_all_given_back(self) -> None:
        super().check_all_given_back()
        assert not self.core.st.chains.live, "chains are left"

    def status(self, chain_id: str) -> ChainStatus:
        status = queries.chain_status(self.core.st, chain_id)
        assert status is not None, f"{chain_id} is forgotten"
        return status
