"""Breaks the guards of the core one at a time, and expects that a world of faults then fails.

A mutant is a function with one piece of its source replaced. If one guard can stand in for another,
the mutant breaks both. If the piece is no longer in the source, the test says so: the guard has
moved, and its mutant must move with it.
"""

from __future__ import annotations

import inspect
import itertools
import textwrap
from types import CodeType, FunctionType
from typing import Any

import pytest

from mrmesos.simulator.faults.histories import make
from tests.jobtracker.harness import core_module

RUNS = 120
"""Runs of each kind of world. The first few dozen catch most mutants."""

Piece = tuple[str, str, str]

MUTANTS: dict[str, tuple[Piece, ...]] = {
    "one that lost wins as well": (
        (
            "attempts._finish_attempt",
            "job.state is JobState.RUNNING and attempt in task.running",
            "True",
        ),
    ),
    "the loser of a race runs on": (("attempts._won", "for other in others:", "for other in []:"),),
    "maps do not run again for outputs that are gone": (
        ("attempts.outputs_lost", "withdraw(st, job, job.maps.tasks[index], why)", "pass"),
    ),
    "maps run again that nobody needs": (("attempts.outputs_lost", "not job.fetching", "False"),),
    "maps run again only when a reduce has failed": (
        ("attempts.outputs_lost", "not job.fetching", "True"),
    ),
    "a reduce begins anew without what is gone": (
        ("attempts._not_won", "job.outputs.absent and job.fetching", "False"),
    ),
    "failures are not counted": (
        ("attempts._not_won", "task.failures >= job.settings.maxattempts(task.kind)", "False"),
    ),
    "a commit does not wait for writers": (("jobs.advance", "and not job.writers", ""),),
    "what a lost tracker ran is waited for": (
        ("trackers.gone", "if attempt is not None and attempt.id in st.attempts:", "if False:"),
    ),
    "the map outputs of a lost tracker are believed in": (
        ("trackers.gone", "attempts.outputs_lost(", "(lambda *_: None)("),
    ),
    "slots that nobody knows live on": (
        ("slots.updated", "event.status in _ALIVE", "False"),
        ("trackers._end_strays", "st.now - since >= STRAY_SECONDS", "False"),
    ),
    "updates of unknown slots are not acknowledged": (
        ("slots.updated", "if event.uuid:", "if slot and event.uuid:"),
    ),
    "lost slots are waited for": (
        (
            "slots.updated",
            "event.status is SlotStatus.ENDED",
            "event.status is SlotStatus.ENDED and 'TASK_LOST' not in event.words",
        ),
    ),
    "free slots are kept": (("slots.serve", "< HOLD_SECONDS", "< 60.0"),),
    "a third of the hosts is no limit": (
        (
            "host_faults.failed",
            "3 * (len(job.hosts.shunned) + 1) <= len(_hosts_of(st, job))",
            "True",
        ),
        ("host_faults._too_many", "len(here) - len(known) // 3", "0"),
    ),
    "backups run on the same host": (
        (
            "eligibility.may_replace",
            "and all(attempt.hostname != agent.hostname for attempt in task.running)",
            "",
        ),
    ),
    "backups without number": (
        ("eligibility.may_back_up", "and job.backups < job.backups_max", ""),
        ("speculation._review", "max(0, room)", "64"),
    ),
    "a complaint may stand for ever": (
        ("fetch_failures.tick", "st.now - since >= STANDS_SECONDS", "False"),
    ),
    "reduces are started where they cannot fetch": (
        (
            "output_placement.is_barred",
            "outputs_cut_from(cluster, job, agent.hostname, now) > 0",
            "False",
        ),
    ),
    "maps run again where nobody can fetch": (
        ("output_placement._map_barred", "< mine", "< (False, False)"),
    ),
    "who cannot fetch is not shown": (("fetch_failures.words", "job.fetch.failing.items()", "()"),),
    "the cap is none": (
        ("quota.Quota.within", "min(amount, self._left.get(n, amount))", "amount"),
    ),
    "agents are given back with map output on them": (
        ("maintenance._ends_in_time", "not _is_fetched_from(st, agent)", "True"),
    ),
    "silence is no reason for a second attempt": (
        ("silence._wants_another", "task.running == (attempt,)", "False"),
    ),
    "work is started where nobody is heard": (("agent.Agent.takes", "and not silent", ""),),
    "reduces hold what a silent map needs": (
        ("deadlines._unstick", "job.wants_map or job.unheard_maps or own", "job.wants_map or own"),
    ),
    "a TaskTracker that speaks again is silent still": (
        ("silence.heard", "tracker.silent = False", "pass"),
    ),
    "a step begins before those that it waits for": (
        ("chain.ChainInProgress.ready", "done.issuperset(step.spec.after)", "True"),
    ),
    "the data of a failed chain are removed": (
        ("chains._advance", "chain.keeps_data if", "False if"),
    ),
    "a job that is moved keeps its turn": (
        (
            "jobs.move",
            "rerank(st.index.order, entry.rank, job.settings.priority, job.settings.pool)",
            "pass",
        ),
    ),
    "a restart forgets that a job was moved": (("jobs.move", "st.changes.job(job)", "pass"),),
    "a job that is moved stays where it was": (
        ("jobs.move", "job.settings = JobSettings.of(job.spec)", "pass"),
    ),
    "more of a global resource is held than there is": (
        (
            "global_resources.GlobalResources.lacks",
            "self.held.get(name, 0) + amount > self.total.get(name, 0)",
            "False",
        ),
    ),
    "reduces take more of a global resource than there is": (
        (
            "global_resources.GlobalResources.review",
            "self.lacks(job.settings.reduce_shared)",
            "''",
        ),
    ),
    "a second attempt takes more of a global resource than there is": (
        (
            "eligibility.may_replace",
            "and not job.index.shared.lacks(job.settings.shared(task.kind))",
            "",
        ),
    ),
    "reduces hold a global resource that a map needs": (
        ("deadlines._unstick", "or job.unheard_maps or own", "or job.unheard_maps"),
    ),
    "a free task begins before those that it waits for": (
        ("free_tasks.add", "if not queued.waits:", "if True:"),
    ),
    "a task that is executed again does not wait for its old run": (
        ("task_queue.TaskQueue.enter", "{*spec.after, *spec.behind}", "spec.after"),
    ),
    "a free task runs after one that failed": (
        ("free_tasks.over", "not good and spec.key in waiter.spec.after", "False"),
    ),
    "a free task runs as often as it fails": (
        ("free_tasks.not_won", "attempt.task.failures > queued.spec.retries", "False"),
    ),
    "a cancelled task runs on": (
        ("free_tasks.drop", "for attempt in task.running:", "for _ in []:"),
    ),
    "a task whose end was told runs again after a restart": (
        ("free_tasks.over", "st.changes.task_over(queue, spec.key)", "pass"),
    ),
    "a silent warm TaskTracker stays in the place of a healthy one": (
        ("warm_trackers._stays", "tracker.silent or ", ""),
    ),
    "a job that cannot be kept goes on": (
        ("jobs.unkept", "job is None or job.state is JobState.ABORTING", "True"),
    ),
    "TaskTrackers outlive the JobTracker": (
        ("trackers.send_all_away", "tracker.state is not TrackerState.LEAVING", "False"),
    ),
    "more memory than the job's cap": (
        ("more_memory.more_mb", "min(2 * had, cap, largest)", "2 * had"),
    ),
    "less memory after a death of too little": (
        ("more_memory.more_mb", "max(had, min(2 * had, cap, largest))", "had // 2"),
    ),
    "a job that no agent can run waits": (
        (
            "jobs.fail_if_impossible",
            "not job.settings.strict or not (words := impossible(st, job))",
            "True",
        ),
    ),
    "roles are mixed": (("offer_batch.Batch._join", "key = agent, offer.role", "key = agent, ''"),),
}


KINDS = ("", "rough", "out-of-sight", "unheard", "apart", "chains", "tasks", "silent")
"""See mrmesos.simulator.faults.histories."""


def guard(where: str) -> FunctionType:
    """A function or method of the core by its name."""
    module, *parts = where.split(".")
    found: Any = core_module(module)
    for part in parts:
        found = getattr(found, part)
    assert isinstance(found, FunctionType)
    return found


def mutant(function: FunctionType, piece: str, instead: str) -> CodeType:
    """The code of a function with one piece of its source replaced."""
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(piece) == 1, f"{function.__qualname__} has no guard {piece!r} any more"
    scope = dict[str, Any]()
    exec(compile(source.replace(piece, instead), "<mutant>", "exec"), function.__globals__, scope)
    code = scope[function.__name__].__code__
    assert isinstance(code, CodeType)
    return code


@pytest.mark.parametrize("name", MUTANTS)
def test_every_guard_is_in_the_code(name: str) -> None:
    """Tell at once, without the slow runs below, that a guard has moved."""
    for where, piece, instead in MUTANTS[name]:
        function = guard(where)
        assert mutant(function, piece, instead) != function.__code__


CAUGHT: dict[str, tuple[int, str]] = {
    "one that lost wins as well": (6, "tasks"),
    "maps do not run again for outputs that are gone": (6, "tasks"),
    "a reduce begins anew without what is gone": (2, "rough"),
    "the map outputs of a lost tracker are believed in": (6, "tasks"),
    "slots that nobody knows live on": (262, "chains"),
    "lost slots are waited for": (1, "tasks"),
    "free slots are kept": (1, "tasks"),
    "backups without number": (1, "rough"),
    "reduces are started where they cannot fetch": (3, "apart"),
    "the cap is none": (4, "rough"),
    "agents are given back with map output on them": (6, ""),
    "work is started where nobody is heard": (2, "tasks"),
    "reduces hold what a silent map needs": (45, "unheard"),
    "a TaskTracker that speaks again is silent still": (4, "tasks"),
    "a job that is moved keeps its turn": (1, "chains"),
    "a restart forgets that a job was moved": (13, "tasks"),
    "a job that is moved stays where it was": (1, "chains"),
    "reduces take more of a global resource than there is": (2, "tasks"),
    "a second attempt takes more of a global resource than there is": (3, "tasks"),
    "reduces hold a global resource that a map needs": (141, "tasks"),
    "a task that is executed again does not wait for its old run": (1, "tasks"),
    "a free task runs after one that failed": (1, "tasks"),
    "a free task runs as often as it fails": (1, "tasks"),
    "a cancelled task runs on": (1, "tasks"),
    "a task whose end was told runs again after a restart": (1, "tasks"),
    "a silent warm TaskTracker stays in the place of a healthy one": (3, "silent"),
    "TaskTrackers outlive the JobTracker": (3, "rough"),
    "more memory than the job's cap": (3, "tasks"),
    "less memory after a death of too little": (3, "tasks"),
    "a job that no agent can run waits": (10, "tasks"),
    "roles are mixed": (2, "chains"),
}
"""Worlds that catch a mutant which the very first ones do not. They run first, which spares the
search. If one no longer catches its mutant, the others are tried as well.
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_guard_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for where, piece, instead in MUTANTS[name]:
        function = guard(where)
        # Replace the code object, because other modules may have imported the function itself.
        monkeypatch.setattr(function, "__code__", mutant(function, piece, instead))
    known = [CAUGHT[name]] if name in CAUGHT else []
    for number, kind in [*known, *itertools.product(range(RUNS), KINDS)]:
        try:
            make(number, kind).run()
        except Exception:  # noqa: BLE001 - whatever it broke
            print(f"caught by run {number}")
            return
    pytest.fail(f"{RUNS * len(KINDS)} runs, and no world is any the worse for it")
