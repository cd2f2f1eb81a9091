"""ChainInProgress: the JobTracker's live record of a chain, and the ended chains that it knows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from mrmesos.jobtracker.core.messages.journal_records import ChainRecord, StepRecord
from mrmesos.transitions import Transitions
from mrmesos.wire.chain import ChainSpec, ChainState, ChainStatus, StepSpec, StepState
from mrmesos.wire.task import AttemptError

CHAIN_TRANSITIONS = Transitions(
    "chain",
    {
        ChainState.PREP: (ChainState.RUNNING, ChainState.FAILED, ChainState.KILLED),
        ChainState.RUNNING: (ChainState.CLEANING, ChainState.STOPPING),
        ChainState.CLEANING: (ChainState.SUCCEEDED,),
        ChainState.STOPPING: (ChainState.CLEANING, ChainState.FAILED, ChainState.KILLED),
    },
)
STEP_TRANSITIONS = Transitions(
    "step",
    {
        StepState.WAITING: (StepState.RUNNING, StepState.KEPT, StepState.CANCELLED),
        StepState.RUNNING: (StepState.SUCCEEDED, StepState.FAILED, StepState.KILLED),
    },
)


class ChainListener(Protocol):
    """Hears which chains have changed."""

    def chain(self, chain: ChainInProgress) -> None:
        """The chain is new, or its state or that of a step changed."""


@dataclass(slots=True, eq=False)
class StepInProgress:
    """One step of a live chain. Only its chain (`step_to`) changes its state."""

    spec: StepSpec
    job_id: str
    token: str
    state: StepState = StepState.WAITING

    @property
    def id(self) -> str:
        """Its name in errors."""
        return f"step {self.spec.name} ({self.job_id})"

    def transition(self, state: StepState) -> None:
        """Change to `state`. Raises BadTransition if STEP_TRANSITIONS does not allow it."""
        STEP_TRANSITIONS.check(self, self.state, state)
        self.state = state


@dataclass(slots=True, eq=False)
class ChainInProgress:
    """A chain that has not ended. Only its methods, called by handlers/chains.py, change it."""

    id: str
    spec: ChainSpec
    steps: tuple[StepInProgress, ...]
    submitted: float
    notes: ChainListener
    key: str = ""
    state: ChainState = ChainState.PREP
    error: AttemptError | None = None
    killed_by: str = ""
    cleaning: bool = False
    """CleanChain was emitted, and is not answered yet."""
    waiting: str = ""
    """Why it waits for a store; empty if it does not."""

    def transition(self, state: ChainState) -> None:
        """Change to `state`. Raises BadTransition if CHAIN_TRANSITIONS does not allow it."""
        CHAIN_TRANSITIONS.check(self, self.state, state)
        self.state = state
        self.notes.chain(self)

    def step_to(self, step: StepInProgress, state: StepState) -> None:
        """Change the state of a step."""
        step.transition(state)
        self.notes.chain(self)

    def step_of(self, job_id: str) -> StepInProgress:
        """The step with this job."""
        return next(step for step in self.steps if step.job_id == job_id)

    def ready(self) -> Iterator[StepInProgress]:
        """The steps that wait for nothing any more."""
        done = {step.spec.name for step in self.steps if step.state.done}
        for step in self.steps:
            if step.state is StepState.WAITING and done.issuperset(step.spec.after):
                yield step

    @property
    def running(self) -> list[StepInProgress]:
        """The steps whose jobs run."""
        return [step for step in self.steps if step.state is StepState.RUNNING]

    @property
    def done(self) -> bool:
        """Whether all steps are done, so that there is nothing left to kill."""
        return all(step.state.done for step in self.steps)

    @property
    def keeps_data(self) -> bool:
        """Whether a step has left data that a later run can use."""
        return any(step.state.done and self.spec.is_intermediate(step.spec) for step in self.steps)

    def validate(self, jobs: Collection[str]) -> None:
        """Check the invariants, between two events. Raises AssertionError."""
        assert not self.state.ended, self.id
        for step in self.steps:
            assert (step.job_id in jobs) == (step.state is StepState.RUNNING), step.id
        if self.state is ChainState.RUNNING:
            assert self.running, f"{self.id} waits for nothing"
            assert not list(self.ready()), f"{self.id} could begin a step"
        if self.state is ChainState.STOPPING:
            assert self.running or self.cleaning, f"{self.id} waits for nothing"

    def record(self) -> ChainRecord:
        """Its record for the journal."""
        return ChainRecord(
            id=self.id,
            spec=self.spec,
            key=self.key,
            submitted=self.submitted,
            state=self.state,
            steps=tuple(StepRecord(each.state, each.job_id, each.token) for each in self.steps),
            error=self.error,
            killed_by=self.killed_by,
        )

    @classmethod
    def restored(cls, record: ChainRecord, notes: ChainListener) -> ChainInProgress:
        """The chain of a record."""
        steps = tuple(
            StepInProgress(spec, each.job_id, each.token, each.state)
            for spec, each in zip(record.spec.steps, record.steps, strict=True)
        )
        return cls(
            record.id,
            record.spec,
            steps,
            record.submitted,
            notes,
            record.key,
            record.state,
            record.error,
            record.killed_by,
        )


@dataclass(slots=True)
class Chains:
    """All chains. Written by handlers/chains.py; `ended_jobs` by handlers/jobs.py."""

    live: dict[str, ChainInProgress] = field(default_factory=dict)
    of_job: dict[str, str] = field(default_factory=dict)
    """The live chain of each job of a step, also before the job begins."""
    ended_jobs: list[str] = field(default_factory=list)
    """Jobs of steps that ended in this event."""
    ended: OrderedDict[str, ChainStatus] = field(default_factory=OrderedDict)

    def add(self, chain: ChainInProgress) -> None:
        """Add a live chain."""
        self.live[chain.id] = chain
        self.of_job |= {step.job_id: chain.id for step in chain.steps}

    def keep(self, status: ChainStatus, most: int) -> list[str]:
        """Keep an ended chain. Forgets the oldest if there are more than `most`; returns those."""
        self.ended[status.chain_id] = status
        return [self.ended.popitem(last=False)[0] for _ in range(len(self.ended) - most)]

    def remove(self, chain: ChainInProgress) -> None:
        """A live chain has ended."""
        del self.live[chain.id]
        for step in chain.steps:
            self.of_job.pop(step.job_id, None)
