"""Map outputs that reduces cannot fetch: whose fault it is, and what we do about it.

Comes in: the complaints in reduces' reports and heartbeats. Goes out: maps that run again, and
reduces that move to another host.

A fetch can fail because the output is damaged or gone, or because two hosts do not reach each
other. Complaints are kept by output, reduce and host.

- An output is at fault in each of these cases:
  a reduce on the output's own host cannot fetch it;
  the same reduce could not fetch it from two hosts in turn;
  most hosts with reduces that may still need it cannot fetch it;
  its TaskTracker answered, and the data was damaged;
  its TaskTracker sends us no heartbeats either (silence.py). Then the map runs again at once.
  (Hadoop's JobInProgress.fetchFailureNotification counts complaining reduces against all running
  reduces, whatever their hosts.)
- A host that finds damage in the outputs of SOURCES_MAX other hosts, or twice in the output of
  one map, is itself at fault. Its reduce moves.
- A reduce that has fetched an output does not report that, so the absence of complaints proves
  nothing. A complaint that stands for STANDS_SECONDS leads to a decision. If a host has more
  outputs than the one or two that a reduce lacks, those maps run again. A reduce that lacks more
  moves to a host that can fetch all outputs as far as we know (output_placement.py). If there is
  no such host, maps run again so that there is one.

Each decision is bounded. A reduce moves MOVES_MAX times at most. If a map's output is lost more
than attempts.LOSSES_MAX times, its job fails with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mrmesos.jobtracker.core.handlers import attempts
from mrmesos.jobtracker.core.model.job import JobInProgress
from mrmesos.jobtracker.core.model.task import TaskAttempt, TaskInProgress
from mrmesos.jobtracker.core.model.tracker import Tracker
from mrmesos.jobtracker.core.policies.agent_reasons import some_pairs
from mrmesos.jobtracker.core.policies.dispatch import kill_attempt
from mrmesos.jobtracker.core.scheduling.output_placement import (
    counted_on,
    outputs_cut_from,
    reachable_by_all,
    readers,
    waiting_reduces,
)
from mrmesos.jobtracker.core.state.state import State
from mrmesos.wire import ids
from mrmesos.wire.ids import HostName, TaskKind
from mrmesos.wire.task import AttemptProgress, AttemptReport, AttemptState

STANDS_SECONDS = 10.0
"""A reduce's complaint about a map output leads to a decision after this long."""
REDO_MAX = 2
"""If one host cannot fetch up to this many outputs of another, their maps run again. If it cannot
fetch more, its reduce moves.
"""
QUICK_MAX = 3
"""This many times a map runs again as soon as most hosts complain. After that, it runs again only
when the complaints have stood for STANDS_SECONDS.
"""
MOVES_MAX = 8
"""A reduce that cannot fetch map output moves this many times at most. After that, maps run again
instead.
"""
SOURCES_MAX = 3
"""A host that finds damaged output of this many other hosts is itself at fault."""
NAMED_MAX = 3
"""A job's status names at most this many pairs of hosts."""


def reported(st: State, report: AttemptReport, tracker: Tracker) -> None:
    """Note a reduce's last complaints. Called before its report changes the attempt."""
    attempt, job = _reduce(st, report.attempt_id, tracker)
    if attempt is None or job is None:
        return
    if report.state is AttemptState.SUCCEEDED:
        _takes_back(st, job, attempt, set())
    _complain(st, job, attempt, report.fetch_failed, set())


def progressed(st: State, progress: AttemptProgress, tracker: Tracker) -> None:
    """Note a running reduce's complaints. It names all map outputs that it cannot fetch now, so
    its complaints about any others no longer hold.
    """
    attempt, job = _reduce(st, progress.attempt_id, tracker)
    if attempt is None or job is None:
        return
    names = [] if progress.fetched else progress.fetch_failed
    if attempt.id in job.fetch.failing:
        _takes_back(st, job, attempt, set(names))
    _complain(st, job, attempt, names, set(progress.fetch_answered))


def _reduce(
    st: State, attempt_id: str, tracker: Tracker
) -> tuple[TaskAttempt | None, JobInProgress | None]:
    attempt = st.attempts.get(attempt_id)
    if attempt is None or attempt.task.kind is not TaskKind.REDUCE:
        return None, None
    job = st.jobs.get(attempt.task.job_id)
    if job is None or attempt.tracker_id != tracker.id or not job.needs_map_outputs:
        return None, None
    return (None if attempt.kill_asked or attempt not in attempt.task.running else attempt), job


def _output(job: JobInProgress, map_attempt: str) -> TaskInProgress | None:
    """The map whose current output this attempt made. None if the output was replaced, or if there
    never was one.
    """
    try:
        name = ids.parse_attempt(map_attempt)
    except ValueError:
        return None
    if name.job_id != job.id or name.kind is not TaskKind.MAP or name.index >= len(job.maps.tasks):
        return None
    task = job.maps.tasks[name.index]
    return task if task.winner is not None and task.winner.id == map_attempt else None


def _source(task: TaskInProgress) -> HostName:
    if task.winner is None:
        raise AssertionError(f"{task.id} has no output")
    return task.winner.hostname


def _complain(
    st: State, job: JobInProgress, reduce: TaskAttempt, names: Sequence[str], answered: set[str]
) -> None:
    """A reduce cannot fetch these outputs. Their TaskTracker answered the requests for those in
    `answered`.
    """
    for source, tasks in _by_source(job, names).items():
        for task in tasks:
            if task.winner is None or reduce.kill_asked:
                continue
            name = task.winner.id
            if name in answered:
                st.cluster.reach.worked(reduce.hostname, source)
            elif not _few(job, source, tasks):
                st.cluster.reach.failed(reduce.hostname, source, st.now)
            _complains(st, job, reduce, name, answered=name in answered)


def _by_source(job: JobInProgress, names: Iterable[str]) -> dict[HostName, list[TaskInProgress]]:
    """The maps whose current outputs these are, grouped by the host that has the output."""
    found: dict[HostName, list[TaskInProgress]] = {}
    for name in names:
        if (task := _output(job, name)) is not None:
            found.setdefault(_source(task), []).append(task)
    return found


def _few(job: JobInProgress, source: HostName, tasks: list[TaskInProgress]) -> bool:
    """Whether these outputs may be damaged: they are few, and nobody complains about the other
    outputs of their host. This is not assumed twice for the same map.
    """
    few = len(tasks) <= REDO_MAX and len(tasks) < job.outputs.on_host.get(source, 0)
    return few and not any(task.index in job.fetch.made_again for task in tasks)


def _complains(
    st: State, job: JobInProgress, reduce: TaskAttempt, map_attempt: str, *, answered: bool
) -> None:
    task = _output(job, map_attempt)
    if task is None:
        return
    source = _source(task)
    job.fetch.failing.setdefault(reduce.id, {}).setdefault(map_attempt, st.now)
    said = job.fetch.complaints.setdefault(map_attempt, {})
    said.setdefault(reduce.task.index, set()).add(reduce.hostname)
    if (
        answered
        and source != reduce.hostname
        and _own_trouble(job, reduce.hostname, task.index, source)
    ):
        reduce.task.failed_on.add(reduce.hostname)
        kill_attempt(st, reduce, "could not fetch map outputs that others may be able to")
    elif answered or _at_fault(st, job, task, said):
        hosts = sorted(set[HostName]().union(*said.values()))
        if not answered and source not in hosts:
            # The network may be at fault, so the map must run on another host.
            task.failed_on.add(source)
            for reader in hosts if len(said) > 1 else ():
                st.cluster.reach.failed(reader, source, st.now)
        why = f"reduces on {', '.join(hosts)} could not fetch it"
        attempts.withdraw(st, job, task, why, urgent=True)


def _at_fault(
    st: State, job: JobInProgress, task: TaskInProgress, said: dict[int, set[HostName]]
) -> bool:
    """Whether to run the map again: its output is at fault, or the network of its host alone."""
    source, hosts = _source(task), set[HostName]().union(*said.values())
    if source in hosts or _silent(st, task):
        return True
    if len(hosts) == 1 or task.losses >= QUICK_MAX:
        return False
    concerned = hosts | {attempt.hostname for attempt in waiting_reduces(job)}
    most = 2 * len(hosts) > len(concerned) or any(len(of_one) > 1 for of_one in said.values())
    return most and reachable_by_all(st.cluster, job, st.now, less=source)


def _silent(st: State, task: TaskInProgress) -> bool:
    """Whether the output's TaskTracker sends us no heartbeats either. Then the TaskTracker or its
    host is at fault.
    """
    winner = task.winner
    tracker = None if winner is None else st.cluster.trackers.get(winner.tracker_id)
    return tracker is not None and tracker.silent


def _own_trouble(job: JobInProgress, host: HostName, index: int, source: HostName) -> bool:
    """Whether a host has found so much damage that the host itself is probably at fault."""
    blamed = job.fetch.blamed.setdefault(host, {})
    again = index in blamed
    blamed[index] = source
    if again or len(set(blamed.values())) >= SOURCES_MAX:
        del job.fetch.blamed[host]
        return True
    return False


def _takes_back(st: State, job: JobInProgress, reduce: TaskAttempt, names: set[str]) -> None:
    """The reduce could fetch all outputs except these."""
    failing = job.fetch.failing.get(reduce.id, {})
    sources = set()
    for name in [name for name in failing if name not in names]:
        del failing[name]
        task = _output(job, name)
        if task is not None:
            sources.add(_source(task))
            said = job.fetch.complaints.get(name, {})
            said.get(reduce.task.index, set()).discard(reduce.hostname)
    if not failing:
        job.fetch.failing.pop(reduce.id, None)
    for source in sources:
        st.cluster.reach.worked(reduce.hostname, source)


# --- Complaints that stand too long --------------------------------------------------------------


def tick(st: State, job: JobInProgress) -> None:
    """Decide about complaints that have stood long enough."""
    for reduce_id in list(job.fetch.failing):
        reduce, failing = st.attempts.get(reduce_id), job.fetch.failing.get(reduce_id, {})
        if reduce is None or reduce.kill_asked or reduce not in reduce.task.running:
            continue
        if reduce.told is None or st.now - reduce.told >= STANDS_SECONDS:
            # No fresh report: the reduce may have fetched the outputs since. If it is gone,
            # silence.py finds out by its TaskTracker.
            continue
        overdue = [name for name, since in failing.items() if st.now - since >= STANDS_SECONDS]
        by_source = _by_source(job, overdue)
        if by_source and job.needs_map_outputs:
            _decide(st, job, reduce, by_source)


def _decide(
    st: State,
    job: JobInProgress,
    reduce: TaskAttempt,
    by_source: dict[HostName, list[TaskInProgress]],
) -> None:
    """Decide what to do: a reduce could not fetch the outputs of these maps (by host) for long."""
    tasks = [task for some in by_source.values() for task in some]
    few = all(_few(job, source, some) for source, some in by_source.items())
    moves = job.fetch.moves.get(reduce.task.index, 0)
    elsewhere = (a for a in readers(st.cluster, job, st.now) if a.hostname != reduce.hostname)
    if few and reachable_by_all(st.cluster, job, st.now):
        for task in tasks:
            task.failed_on.add(_source(task))
            job.fetch.made_again.add(task.index)
        _make_again(st, job, tasks, f"a reduce on {reduce.hostname} could not fetch it")
    elif moves < MOVES_MAX and next(elsewhere, None) is not None:
        job.fetch.moves[reduce.task.index] = moves + 1
        sources = ", ".join(sorted(by_source)[:NAMED_MAX])
        kill_attempt(st, reduce, f"{reduce.hostname} could not fetch from {sources}; others may")
    else:
        _regroup(st, job, tasks)


def _make_again(st: State, job: JobInProgress, tasks: list[TaskInProgress], why: str) -> None:
    for task in tasks:
        if task.winner is not None and task.index in job.outputs.by_map:
            attempts.withdraw(st, job, task, why, urgent=True)


def _regroup(st: State, job: JobInProgress, tasks: list[TaskInProgress]) -> None:
    """No host reaches all map outputs. Choose a host, and run those maps again whose output it
    cannot fetch.
    """
    waiting = [attempt.hostname for attempt in waiting_reduces(job)]
    homes = sorted(
        (outputs_cut_from(st.cluster, job, host, st.now), -waiting.count(host), host)
        for host in {
            agent.hostname
            for agent in st.cluster.agents.values()
            if counted_on(job, TaskKind.REDUCE, agent, st.now)
        }
    )
    if not homes or not homes[0][0]:
        _make_again(st, job, tasks, "no reduce could fetch it")
        return
    home = homes[0][2]
    if not len(job.reduces.pending) and all(host == home for host in waiting):
        names = {name for failing in job.fetch.failing.values() for name in failing}
        lacked = [task for name in names if (task := _output(job, name)) is not None]
    else:  # reduces that will start on this host have to fetch every output
        lacked = [job.maps.tasks[index] for index in job.outputs.by_map]
    cut = set(st.cluster.reach.sources_cut_from(home, st.now))
    lacked = [task for task in lacked if _source(task) in cut]
    lacked.sort(key=lambda task: task.index)
    _make_again(st, job, lacked, f"{home} cannot fetch it, and no host can fetch everything")


def words(st: State, job: JobInProgress) -> str:
    """A text: which hosts cannot fetch map outputs from which. Empty if nobody complains."""
    if not job.fetch.failing:
        return ""
    lacked: dict[tuple[HostName, HostName], set[str]] = {}
    for reduce_id, failing in job.fetch.failing.items():
        reduce = st.attempts.get(reduce_id)
        for name in failing if reduce is not None else ():
            if reduce is not None and (task := _output(job, name)) is not None:
                lacked.setdefault((reduce.hostname, _source(task)), set()).add(name)
    return some_pairs(
        f"reduces on {reader} cannot fetch {len(names)} map output{'s' if len(names) > 1 else ''} "
        f"from {source}"
        for (reader, source), names in sorted(lacked.items())
    )
