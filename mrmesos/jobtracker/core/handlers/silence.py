"""TaskTrackers that are not heard although Mesos sees their agents, and who is to blame for it.

A heartbeat that does not come is a hint: the way may be cut, in one direction or both, or the
TaskTracker may be stopped. What follows grows with the time:

- After `tasktracker.silence.seconds` nothing new starts on its agent, and what runs there gets a
  second attempt elsewhere, as does an attempt whose launch nobody spoke of. It goes before the
  tasks of later jobs, and before reduces of its own job: those would wait for it.
- After `tasktracker.expiry.seconds` the TaskTracker is given up and Mesos is told to end it. Its
  agent is on parole: it is avoided for PAROLE_SECONDS, and each time twice as long, until a
  TaskTracker there is heard. It is used all the same where it is the only one.
- A task that runs on each TaskTracker that falls silent is to blame: it may stop its TaskTracker.
  Once is chance. From then on its TaskTracker expires sooner; from TRIAL_SILENCES on nothing is
  started beside it, so that nobody else is blamed; and after SILENCES_MAX times its job fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mrmesos.jobtracker.core.model.cluster import Slot, SlotState, Tracker
from mrmesos.jobtracker.core.model.job import JobInProgress
from mrmesos.jobtracker.core.model.task import TaskAttempt, TaskInProgress
from mrmesos.jobtracker.core.scheduling.eligibility import TRIAL_SILENCES
from mrmesos.jobtracker.core.state.state import State
from mrmesos.wire.ids import TaskKind
from mrmesos.wire.job import JobState
from mrmesos.wire.task import AttemptError, ErrorKind

SILENCES_MAX = 4
"""TaskTrackers that may fall silent under attempts of one task before its job fails."""
SUSPECT_PART = 0.25
"""Of tasktracker.expiry.seconds, where a task runs under which another one fell silent."""
PAROLE_SECONDS = 30.0
PAROLE_MAX_SECONDS = 480.0
HOSTS_NAMED = 5
SLEPT_SECONDS = 5.0
"""A pause between two ticks after which it is we who were not there, and not the others."""


def wake(st: State) -> None:
    """A tick: where the last one is long ago, nobody could be heard in between."""
    if st.now - st.ticked > SLEPT_SECONDS:
        st.woke = st.now
    st.ticked = st.now


def last_sign(st: State, tracker: Tracker) -> float:
    """Since when a TaskTracker has been silent."""
    return max(tracker.launched if tracker.heard is None else tracker.heard, st.woke)


def look(st: State, tracker: Tracker) -> None:
    """Note whether a TaskTracker is silent."""
    if st.now - last_sign(st, tracker) <= st.settings.tracker_silence:
        heard(st, tracker)
        return
    if not tracker.silent:
        tracker.silent = True
        st.cluster.losses += 1  # maps whose data is there look elsewhere
    st.cluster.avoiding_until = max(st.cluster.avoiding_until, st.now + 1.0)


def heard(st: State, tracker: Tracker) -> None:
    """A TaskTracker speaks: what it runs needs no second attempt."""
    if not tracker.silent:
        return
    tracker.silent = False
    for slot in tracker.slots.values():
        if slot.attempt is not None:
            job = st.index.unheard.pop(slot.attempt.task, None)
            if job is not None:
                st.index.touch(job)


def unheard(st: State, attempt: TaskAttempt) -> bool:
    """Whether an attempt runs out of our hearing, if it runs at all."""
    slot, tracker = st.cluster.slots[attempt.slot_id], st.cluster.trackers.get(attempt.tracker_id)
    return tracker is None or tracker.silent or not_spoken_of(st, slot)


def not_spoken_of(st: State, slot: Slot) -> bool:
    """Whether a slot was launched, and for long neither Mesos nor its TaskTracker spoke of it."""
    launching = slot.state is SlotState.LAUNCHING
    return launching and st.now - max(slot.launched, st.woke) > st.settings.tracker_silence


def review(st: State, slots: Sequence[Slot]) -> None:
    """Tell the index which tasks want a second attempt, as theirs runs in one of these slots."""
    before = st.index.unheard
    if not slots and not before:
        return
    attempts = [slot.attempt for slot in slots if slot.attempt is not None]
    wanted = {a.task: st.jobs[a.task.job_id] for a in attempts if _wants_another(st, a)}
    st.index.unheard = wanted
    for job in {*before.values(), *wanted.values()}:
        st.index.touch(job)


def _wants_another(st: State, attempt: TaskAttempt) -> bool:
    """It is the only one of its task, may run twice, and is not suspected of silencing others."""
    task = attempt.task
    job = st.jobs[task.job_id]
    all_there = task.kind is TaskKind.MAP or (job.maps_over is not None and not job.absent)
    return (
        task.running == (attempt,)
        and not task.silences
        and all_there
        and job.state is JobState.RUNNING
        and job.settings.speculative(task.kind)
    )


def words(st: State, job: JobInProgress | None = None) -> str:
    """Which TaskTrackers are silent, of those that worked for a job, or of all."""
    hosts = {
        tracker.hostname
        for tracker in st.cluster.trackers.values()
        if tracker.silent and (job is None or tracker.id in job.trackers)
    }
    if not hosts:
        return ""
    named = ", ".join(sorted(hosts)[:HOSTS_NAMED])
    more = f" and {len(hosts) - HOSTS_NAMED} more" if len(hosts) > HOSTS_NAMED else ""
    return f"TaskTrackers not heard for {st.settings.tracker_silence:g} s: {named}{more}"


# --- Given up ------------------------------------------------------------------------------------


def expiry(st: State, tracker: Tracker) -> float:
    """How long a TaskTracker may be silent."""
    settings, slots = st.settings, tracker.slots.values()
    if not any(slot.attempt is not None and slot.attempt.task.silences for slot in slots):
        return settings.tracker_expiry
    soon = max(2 * settings.tracker_silence, SUSPECT_PART * settings.tracker_expiry)
    return min(settings.tracker_expiry, soon)


def suspect(st: State, tracker: Tracker) -> None:
    """A TaskTracker is given up: what ran there may be why. One never heard never ran anything."""
    if tracker.heard is None:
        return
    for slot in tracker.slots.values():
        attempt = slot.attempt
        if attempt is not None and attempt in attempt.task.running:
            attempt.task.silences += 1
            st.index.trials |= attempt.task.silences >= TRIAL_SILENCES


def verdict(task: TaskInProgress) -> AttemptError | None:
    """Why a task's job is to fail, where TaskTrackers fell silent under it too often."""
    if task.silences < SILENCES_MAX:
        return None
    last = task.attempts[-1]
    hosts = ", ".join(dict.fromkeys(a.hostname for a in task.attempts[-SILENCES_MAX:]))
    message = (
        f"its TaskTracker stopped answering each time an attempt of {task.id} ran "
        f"({task.silences} times, last on {hosts}): look for what its code does to the processes "
        "around it, such as stopping or starving them"
    )
    return AttemptError(
        kind=ErrorKind.CRASH, message=message, attempt_id=last.id, hostname=last.hostname
    )


def parole(st: State, agent_id: str) -> None:
    """An agent's TaskTracker was given up while Mesos saw the agent."""
    agent = st.cluster.agents.get(agent_id)
    if agent is None:
        return
    pause = min(PAROLE_MAX_SECONDS, PAROLE_SECONDS * 2.0**agent.silences)
    agent.silences += 1
    until = st.now + pause
    if until > agent.avoid_until and st.cluster.has_others({agent.hostname}, st.now):
        agent.parole_until = until
        st.cluster.avoid(agent, until)


def spoke(st: State, agent_id: str) -> None:
    """A TaskTracker on the agent is heard, be it one that we gave up."""
    agent = st.cluster.agents.get(agent_id)
    if agent is not None and agent.silences:
        agent.silences = 0
        _end_parole(st, agent_id)


def _end_parole(st: State, agent_id: str) -> None:
    agent = st.cluster.agents[agent_id]
    if agent.parole_until > st.now and agent.avoid_until == agent.parole_until:
        agent.avoid_until = agent.parole_until = st.now
        st.new_work = st.new_work or st.hungry()


def use_the_last(st: State) -> None:
    """No agent is left that takes work: those on parole are tried before their time."""
    if st.now >= st.cluster.avoiding_until or not st.hungry():
        return
    agents = st.cluster.agents.values()
    if any(agent.takes(st.now) for agent in agents):
        return
    for agent in _by_parole(st):
        _end_parole(st, agent)


def _by_parole(st: State) -> Iterable[str]:
    return [agent.id for agent in st.cluster.agents.values() if agent.parole_until > st.now]
