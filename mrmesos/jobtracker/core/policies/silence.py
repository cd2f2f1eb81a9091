"""TaskTrackers that send no heartbeats although Mesos sees their agents, and tasks that cause it.

A missing heartbeat is only a hint. The network may be cut, in one direction or both, or the
TaskTracker may be stopped. The longer it is silent, the more we do:

- After `tasktracker.silence.seconds`, nothing new starts on its agent. Its running tasks get a
  second attempt on another agent, and so does a task whose launch nobody reported. Such a task goes
  before the tasks of later jobs, and before reduces of its own job, which would wait for it.
- After `tasktracker.expiry.seconds`, we give the TaskTracker up and tell Mesos to end it. Its agent
  is on parole: we avoid it for PAROLE_SECONDS, and twice as long each further time, until we hear a
  TaskTracker there. If no other agent takes work, we use it nevertheless.
- A task may itself stop its TaskTracker. So each task that ran on a TaskTracker we gave up is a
  suspect. A single time may be chance. From then on, a TaskTracker that runs this task expires
  sooner. After TRIAL_SILENCES times, nothing starts beside the task, so that no other task becomes
  a suspect. After SILENCES_MAX times, its job fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mrmesos.jobtracker.core.model.job import JobInProgress
from mrmesos.jobtracker.core.model.slot import Slot, SlotState
from mrmesos.jobtracker.core.model.task import TaskAttempt, TaskInProgress
from mrmesos.jobtracker.core.model.tracker import Tracker
from mrmesos.jobtracker.core.policies.host_faults import named
from mrmesos.jobtracker.core.scheduling.eligibility import TRIAL_SILENCES
from mrmesos.jobtracker.core.state.state import State
from mrmesos.wire.ids import AgentId, TaskKind
from mrmesos.wire.job import JobState
from mrmesos.wire.task import AttemptError, ErrorKind

SILENCES_MAX = 4
"""A job fails when this many TaskTrackers fell silent while they ran the same task."""
SUSPECT_PART = 0.25
"""A TaskTracker that runs a suspect expires after this part of `tasktracker.expiry.seconds`."""
PAROLE_SECONDS = 30.0
PAROLE_MAX_SECONDS = 480.0
SLEPT_SECONDS = 5.0
"""If two ticks are further apart, this process did not run, and TaskTrackers are not to blame."""


def wake(st: State) -> None:
    """Note a tick. If the last tick was long ago, this process could not receive heartbeats in
    between.
    """
    if st.now - st.ticks.last > SLEPT_SECONDS:
        st.ticks.woke = st.now
    st.ticks.last = st.now


def last_sign(st: State, tracker: Tracker) -> float:
    """The time of a TaskTracker's last heartbeat, or a later time from which we could have received
    one.
    """
    return max(tracker.launched if tracker.heard is None else tracker.heard, st.ticks.woke)


def look(st: State, tracker: Tracker) -> None:
    """Note whether a TaskTracker is silent."""
    if st.now - last_sign(st, tracker) <= st.settings.tracker_silence:
        heard(st, tracker)
        return
    if not tracker.silent:
        tracker.silent = True
        st.cluster.silent[tracker.id] = tracker
        st.cluster.losses += 1  # maps with data on this agent no longer wait for it
    st.cluster.avoiding_until = max(st.cluster.avoiding_until, st.now + 1.0)


def heard(st: State, tracker: Tracker) -> None:
    """A TaskTracker is heard again, so its tasks need no second attempt."""
    if not tracker.silent:
        return
    tracker.silent = False
    st.cluster.silent.pop(tracker.id, None)
    for slot in tracker.slots.values():
        if slot.attempt is not None:
            job = st.index.unheard.pop(slot.attempt.task, None)
            if job is not None:
                st.index.touch(job)


def unheard(st: State, attempt: TaskAttempt) -> bool:
    """Whether an attempt is unheard: its TaskTracker is silent, or nobody has reported the
    attempt.
    """
    slot, tracker = st.cluster.slots[attempt.slot_id], st.cluster.trackers.get(attempt.tracker_id)
    return tracker is None or tracker.silent or not_spoken_of(st, slot)


def not_spoken_of(st: State, slot: Slot) -> bool:
    """Whether a slot was launched long ago, and neither Mesos nor its TaskTracker reported it."""
    launching = slot.state is SlotState.LAUNCHING
    return launching and st.now - max(slot.launched, st.ticks.woke) > st.settings.tracker_silence


def review(st: State, slots: Sequence[Slot]) -> None:
    """Tell the index which tasks want a second attempt, because we hear nothing of these slots."""
    before = st.index.unheard
    if not slots and not before:
        return
    attempts = [slot.attempt for slot in slots if slot.attempt is not None]
    wanted = {a.task: st.jobs[a.task.job_id] for a in attempts if _wants_another(st, a)}
    st.index.unheard = wanted
    for job in {*before.values(), *wanted.values()}:
        st.index.touch(job)


def _wants_another(st: State, attempt: TaskAttempt) -> bool:
    """Whether the task needs a second attempt: it has only this one, may run twice, and is not
    suspected of stopping its TaskTracker.
    """
    task = attempt.task
    job = st.jobs[task.job_id]
    all_there = task.kind is not TaskKind.REDUCE or (
        job.maps.over is not None and not job.outputs.absent
    )
    return (
        task.running == (attempt,)
        and not task.silences
        and all_there
        and job.state is JobState.RUNNING
        and job.settings.speculative(task.kind)
    )


def words(st: State, job: JobInProgress | None = None) -> str:
    """A text: the silent TaskTrackers, of those that worked for `job`, or of all."""
    if not st.cluster.silent:
        return ""
    hosts = {
        tracker.hostname
        for tracker in st.cluster.silent.values()
        if job is None or tracker.id in job.hosts.trackers
    }
    if not hosts:
        return ""
    return f"TaskTrackers not heard for {st.settings.tracker_silence:g} s: {named(hosts)}"


# --- Given up ------------------------------------------------------------------------------------


def expiry(st: State, tracker: Tracker) -> float:
    """How long a TaskTracker may be silent before we give it up."""
    settings, slots = st.settings, tracker.slots.values()
    if not any(slot.attempt is not None and slot.attempt.task.silences for slot in slots):
        return settings.tracker_expiry
    soon = max(2 * settings.tracker_silence, SUSPECT_PART * settings.tracker_expiry)
    return min(settings.tracker_expiry, soon)


def suspect(st: State, tracker: Tracker) -> None:
    """A TaskTracker is given up, and the tasks that ran there may be the cause. A TaskTracker that
    we never heard has run nothing.
    """
    if tracker.heard is None:
        return
    for slot in tracker.slots.values():
        attempt = slot.attempt
        if attempt is not None and attempt in attempt.task.running:
            attempt.task.silences += 1
            st.index.trials |= attempt.task.silences >= TRIAL_SILENCES


def verdict(task: TaskInProgress) -> AttemptError | None:
    """The error that fails the job, if too many TaskTrackers fell silent while they ran the task.
    None if not.
    """
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


def parole(st: State, agent_id: AgentId) -> None:
    """Avoid an agent for a while. We gave its TaskTracker up, but Mesos still sees the agent."""
    agent = st.cluster.agents.get(agent_id)
    if agent is None:
        return
    pause = min(PAROLE_MAX_SECONDS, PAROLE_SECONDS * 2.0**agent.silences)
    agent.silences += 1
    until = st.now + pause
    if until > agent.avoid_until and st.cluster.has_others({agent.hostname}, st.now):
        agent.parole_until = until
        st.cluster.avoid(agent, until)


def spoke(st: State, agent_id: AgentId) -> None:
    """A TaskTracker on the agent is heard, perhaps one that we gave up. End the parole."""
    agent = st.cluster.agents.get(agent_id)
    if agent is not None and agent.silences:
        agent.silences = 0
        _end_parole(st, agent_id)


def _end_parole(st: State, agent_id: AgentId) -> None:
    agent = st.cluster.agents[agent_id]
    if agent.parole_until > st.now and agent.avoid_until == agent.parole_until:
        agent.avoid_until = agent.parole_until = st.now
        st.offers.new_work = st.offers.new_work or st.has_work()


def use_the_last(st: State) -> None:
    """End every parole early if no agent takes work."""
    if st.now >= st.cluster.avoiding_until or not st.has_work():
        return
    agents = st.cluster.agents.values()
    if any(agent.takes(st.now) for agent in agents):
        return
    for agent in _by_parole(st):
        _end_parole(st, agent)


def _by_parole(st: State) -> Iterable[AgentId]:
    return [agent.id for agent in st.cluster.agents.values() if agent.parole_until > st.now]
