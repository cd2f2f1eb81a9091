"""Chains in the core: the order of steps, failures, kills, and restarts at any moment."""

from __future__ import annotations

import random
from collections.abc import Sequence
from enum import StrEnum

import pytest
from msgspec.structs import replace

from mrmesos.conf import Conf
from mrmesos.jobtracker.core.jobtracker import JobTracker
from mrmesos.jobtracker.core.messages import commands as cmd
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.messages.journal_records import Key, Record, WriteRecords
from mrmesos.jobtracker.core.model.chain import CHAIN_TRANSITIONS, STEP_TRANSITIONS
from mrmesos.jobtracker.core.state import queries
from mrmesos.transitions import Named, Transitions
from mrmesos.wire.chain import ChainSpec, ChainState, ChainStatus, StepSpec, StepState
from mrmesos.wire.job import JobState
from tests.jobtracker.harness import STAMP, error
from tests.wire.specs import job_spec

DATA = "file:///_out_steps"
Question = cmd.PlanJob | cmd.CommitJob | cmd.AbortJob | cmd.PrepareChain | cmd.CleanChain
DIAMOND = {"a": "", "b": "a", "c": "a", "d": "bc", "e": ""}


def chain_spec(graph: dict[str, str] = DIAMOND) -> ChainSpec:
    """Steps by name, each with those that it waits for. Only `d` and `e` write to the output."""
    steps = tuple(
        StepSpec(
            name=name,
            job=job_spec(
                num_reducers=0,
                output=f"file:///out/{name}" if name in "de" else f"{DATA}/{name}",
            ),
            identity="0" * 64,
            after=tuple(after),
        )
        for name, after in graph.items()
    )
    return ChainSpec(name="n", user="u", output="file:///out", data=DATA, steps=steps)


class Desk:
    """A core without any cluster, whose jobs have no tasks. It keeps what it writes and asks."""

    def __init__(self, spec: ChainSpec) -> None:
        self.core = JobTracker(Conf(), STAMP, journal=True)
        self.now, self.life = 1000.0, 0
        self.journal: dict[Key, Record] = {}
        self.open: list[Question] = []
        self.ended: list[str] = []
        self.spec = spec
        jobs = tuple(ev.StepJob(self.core.next_job_id(), "token") for _ in spec.steps)
        self.names = {job.job_id: s.name for job, s in zip(jobs, spec.steps, strict=True)}
        self.id = self.core.next_chain_id()
        self.do(ev.ChainSubmitted(self.id, spec, jobs, "key"))

    def do(self, event: ev.Event) -> None:
        self.now += 1.0
        self.take(self.core.handle(event, self.now))

    def take(self, commands: Sequence[cmd.Command]) -> None:
        for command in commands:
            if isinstance(command, WriteRecords):
                gone = {*command.drop_jobs}
                kept = {k: r for k, r in self.journal.items() if k.job not in gone}
                self.journal = kept | {r.filed_as: r for r in command.put}
            elif isinstance(command, Question):
                self.open.append(command)
            elif isinstance(command, cmd.ChainEnded):
                self.ended.append(command.chain_id)
        self.core.validate()

    def restart(self) -> None:
        """End without a word, and come back by the journal alone."""
        self.life += 1
        self.open.clear()
        self.core = JobTracker(Conf(), f"{STAMP}{self.life}", journal=True)
        self.take(self.core.restore(list(self.journal.values()), self.now, life=self.life))

    def answer(self, question: Question, *, well: bool = True, kept: tuple[str, ...] = ()) -> None:
        self.open.remove(question)
        match question:
            case cmd.PrepareChain():
                self.do(
                    ev.ChainPrepared(self.id, kept)
                    if well
                    else ev.ChainPrepareFailed(self.id, error())
                )
            case cmd.CleanChain():
                self.do(ev.ChainCleaned(self.id, "" if well else "disk full"))
            case cmd.PlanJob(job_id=job):
                self.do(ev.JobPlanned(job, ()) if well else ev.JobPlanFailed(job, error()))
            case cmd.CommitJob(job_id=job):
                self.do(ev.JobCommitted(job) if well else ev.JobCommitFailed(job, error()))
            case cmd.AbortJob(job_id=job):
                self.do(ev.JobAborted(job))

    def finish(self, *names: str) -> None:
        """Let the jobs of these steps succeed."""
        for name in names:
            for kind in (cmd.PlanJob, cmd.CommitJob):
                [asked] = [
                    q for q in self.open if isinstance(q, kind) and self.names[q.job_id] == name
                ]
                self.answer(asked)

    def state(self) -> ChainState:
        return self.status.state

    @property
    def status(self) -> ChainStatus:
        status = queries.chain_status(self.core.st, self.id)
        assert status is not None
        return status

    @property
    def states(self) -> dict[str, StepState]:
        return {step.name: step.state for step in self.status.steps}

    def running(self) -> str:
        return "".join(n for n, state in self.states.items() if state is StepState.RUNNING)


def prepared(*kept: str) -> Desk:
    desk = Desk(chain_spec())
    desk.answer(desk.open[0], kept=kept)
    return desk


def test_steps_begin_when_those_before_are_done_and_independent_ones_at_once() -> None:
    desk = Desk(chain_spec())
    assert not desk.running(), "files are looked at first"
    desk.answer(desk.open[0])
    assert desk.running() == "ae"
    desk.finish("a")
    assert desk.running() == "bce"
    desk.finish("c", "e")
    assert desk.running() == "b", "d waits for both"
    desk.finish("b")
    assert desk.running() == "d"
    desk.finish("d")
    assert desk.state() is ChainState.CLEANING
    desk.answer(desk.open[0])
    assert desk.state() is ChainState.SUCCEEDED
    assert desk.ended[-1] == desk.id
    assert [step.job.state for step in desk.status.steps if step.job] == [JobState.SUCCEEDED] * 5


def test_a_fused_step_is_shown_with_its_own_counters() -> None:
    spec = chain_spec({"b": "", "d": "b"})
    first, last = spec.steps
    desk = Desk(replace(spec, steps=(replace(first, fused=("a", "a2")), last)))
    assert [step.name for step in desk.status.steps] == ["a", "a2", "b", "d"]
    assert [step.after for step in desk.status.steps] == [(), (), ("a", "a2"), ("b",)]
    desk.answer(desk.open[0])
    job = next(job for job in desk.core.st.jobs.values() if desk.names[job.id] == "b")
    counted = {"a: task": {"MAP_INPUT_RECORDS": 3}, "a: mine": {"x": 1}, "task": {"N": 2}}
    for group, names in counted.items():
        job.counters.won[group] = dict(names)
    fused, _, runs, _ = desk.status.steps
    assert (fused.state, fused.into, fused.job) == (StepState.RUNNING, "b", None)
    assert fused.counters == {"task": {"MAP_INPUT_RECORDS": 3}, "mine": {"x": 1}}
    assert runs.job is not None
    assert not any(group.startswith("a: ") for group in runs.job.counters)


def test_a_failed_step_kills_the_running_ones_and_keeps_the_finished_data() -> None:
    desk = prepared()
    desk.finish("a")
    [plan_b, *others] = [
        q for q in desk.open if isinstance(q, cmd.PlanJob) if desk.names[q.job_id] in "bc"
    ]
    desk.answer(plan_b, well=False)
    assert desk.states["b"] is StepState.FAILED
    assert desk.states["d"] is StepState.CANCELLED
    assert desk.state() is ChainState.STOPPING, "c and e still clean up"
    while desk.open:
        desk.answer(desk.open[0])
    assert desk.state() is ChainState.FAILED
    assert desk.status.error == error()
    assert desk.status.kept == DATA
    assert desk.states["c"] is desk.states["e"] is StepState.KILLED
    assert others


def test_nothing_is_kept_if_no_step_has_finished() -> None:
    desk = prepared()
    desk.do(ev.KillAsked(desk.id, "me"))
    asked = []
    while desk.open:
        asked.append(desk.open[0])
        desk.answer(desk.open[0])
    assert isinstance(asked[-1], cmd.CleanChain)
    assert desk.state() is ChainState.KILLED
    assert not desk.status.kept


def test_a_chain_killed_before_it_begins_runs_nothing() -> None:
    desk = Desk(chain_spec())
    desk.do(ev.KillAsked(desk.id, "me"))
    desk.answer(desk.open[0])
    assert not any(isinstance(question, cmd.PlanJob) for question in desk.open)
    desk.answer(desk.open[0])
    assert desk.state() is ChainState.KILLED


def test_a_chain_whose_steps_are_all_kept_is_not_killed() -> None:
    desk = Desk(chain_spec())
    desk.do(ev.KillAsked(desk.id, "me"))
    desk.answer(desk.open[0], kept=tuple(DIAMOND))
    desk.answer(desk.open[0])
    assert desk.state() is ChainState.SUCCEEDED


def test_a_chain_is_killed_too_late_if_its_last_step_commits() -> None:
    desk = prepared("a", "b", "c", "e")
    [plan] = desk.open
    desk.answer(plan)
    [commit] = desk.open
    assert isinstance(commit, cmd.CommitJob)
    desk.do(ev.KillAsked(desk.id, "me"))
    desk.answer(commit)
    [clean] = desk.open
    assert isinstance(clean, cmd.CleanChain)
    desk.answer(clean)
    assert desk.state() is ChainState.SUCCEEDED


def test_a_killed_job_of_a_step_fails_the_chain() -> None:
    desk = prepared("a", "e")
    job = next(job for job, name in desk.names.items() if name == "b")
    desk.do(ev.KillAsked(job, "me"))
    while desk.open:
        desk.answer(desk.open[0])
    assert desk.state() is ChainState.FAILED
    assert desk.status.error is not None
    assert desk.status.error.message == f"{job} was killed"


def test_kept_steps_do_not_run() -> None:
    desk = prepared("a", "b", "e")
    assert desk.running() == "c"
    desk.finish("c", "d")
    desk.answer(desk.open[0])
    assert desk.state() is ChainState.SUCCEEDED


def test_a_lost_record_of_a_chain_is_told() -> None:
    desk = prepared()
    core = JobTracker(Conf(), STAMP + "1", journal=True)
    records = [r for k, r in desk.journal.items() if k.kind != "chain"]
    core.restore(records, desk.now, life=1, damaged={desk.id: "a bad sector"})
    core.validate()
    status = queries.chain_status(core.st, desk.id)
    assert status is not None
    assert status.error is not None
    assert "a bad sector" in status.error.message
    assert len(core.st.jobs) == 2, "its jobs go on"


def test_a_record_that_contradicts_itself_fails_only_its_chain() -> None:
    desk = prepared()
    key = Key(desk.id, "chain", "")
    record = desk.journal[key]
    desk.journal[key] = replace(record, steps=record.steps[1:])  # type: ignore[union-attr]
    desk.restart()
    assert desk.state() is ChainState.FAILED


def test_random_histories_with_restarts_end_as_they_must(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: set[tuple[StrEnum, StrEnum]] = set()
    check = Transitions.check

    def noting(
        self: Transitions, thing: Named, old: StrEnum, new: StrEnum, story: Sequence[str] = ()
    ) -> None:
        if self in (CHAIN_TRANSITIONS, STEP_TRANSITIONS):
            taken.add((old, new))
        check(self, thing, old, new, story)

    monkeypatch.setattr(Transitions, "check", noting)
    for seed in range(150):
        _history(random.Random(seed))
    assert taken == CHAIN_TRANSITIONS.allowed | STEP_TRANSITIONS.allowed


def _history(rng: random.Random) -> None:
    names = "abcdefgh"[: rng.randint(1, 8)]
    graph = {n: "".join(m for m in names[:i] if rng.random() < 0.3) for i, n in enumerate(names)}
    desk = Desk(chain_spec(graph))
    failing, killing = rng.choice((0.0, 0.0, 0.1)), rng.choice((0.0, 0.0, 0.3))
    failed = killed = False
    kept: tuple[str, ...] = ()
    while desk.open:
        if rng.random() < 0.2:
            desk.restart()
            continue
        if rng.random() < killing:
            killed |= desk.status.state in (ChainState.PREP, ChainState.RUNNING)
            desk.do(ev.KillAsked(desk.id, "me"))
            continue
        question = rng.choice(desk.open)
        if isinstance(question, cmd.PlanJob):
            name = desk.names[question.job_id]
            done = {n for n, state in desk.states.items() if state.done}
            assert done >= set(graph[name]), "a step began too early"
            assert name not in kept
        well = isinstance(question, cmd.CleanChain | cmd.AbortJob) or rng.random() >= failing
        going = desk.status.state in (ChainState.PREP, ChainState.RUNNING)
        if isinstance(question, cmd.PrepareChain):
            kept = tuple(n for n in names if rng.random() < 0.2)
            well = rng.random() >= 0.2
            failed |= not well and not killed
        else:
            failed |= not well and going
        desk.answer(question, well=well, kept=kept)
    status = desk.status
    assert desk.ended.count(desk.id) == 1
    whole = all(step.state.done for step in status.steps)
    assert (status.state is ChainState.SUCCEEDED) == whole
    if not failed and not killed:
        assert whole
    if not whole:
        assert status.state in (ChainState.FAILED, ChainState.KILLED)
        assert not any(s.state in (StepState.WAITING, StepState.RUNNING) for s in status.steps)
    desk.restart()
    assert desk.status == status, "an ended chain is known after a restart"
    assert not desk.open
    assert not desk.core.st.jobs


def test_the_data_stay_for_a_hook_in_the_client() -> None:
    desk = Desk(replace(chain_spec({"a": "", "d": "a"}), keep_data=True))
    desk.answer(desk.open[0])
    desk.finish("a", "d")
    assert desk.state() is ChainState.SUCCEEDED
    assert not [each for each in desk.open if isinstance(each, cmd.CleanChain)]
