"""TaskTrackers that the JobTracker does not hear although Mesos sees their agents."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from mrmesos.jobtracker.core.messages import commands as cmd
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.model.slot import SlotState
from mrmesos.jobtracker.core.policies.silence import PAROLE_SECONDS, SILENCES_MAX
from mrmesos.wire.heartbeat import KillAttempt
from mrmesos.wire.ids import AgentId
from mrmesos.wire.job import JobState
from mrmesos.wire.task import AttemptProgress, AttemptState
from tests.jobtracker.harness import SILENCE, Hands, launches, long, of, short, started

SILENT = 10.0
EXPIRY = 120.0
MOST_LOST = 30.0
"""The most that a cut between the JobTracker and one agent may cost a job, in seconds."""


class Listening(Hands):
    """Hands whose TaskTrackers send two heartbeats a second, except on agents that are cut off.

    Every `allocation` seconds, the named agents offer what their slots do not hold.
    """

    def __init__(self, *agents: str, cpus: int = 1, **conf: str) -> None:
        conf = {name.replace("_", "."): value for name, value in conf.items()}
        super().__init__({SILENCE: str(SILENT), **conf})
        self.agents, self.cpus = agents, cpus
        self.cut: set[str] = set()

    def later(self, seconds: float) -> list[cmd.Command]:
        commands: list[cmd.Command] = []
        end = self.now + seconds
        while self.now < end:
            commands += super().later(min(0.5, end - self.now))
            for tracker in list(self.core.st.cluster.trackers.values()):
                if tracker.agent_id not in self.cut:
                    commands += self.beat(tracker.id)
        return commands

    def free(self, agent: str) -> float:
        """CPUs that no slot holds."""
        slots = self.core.st.cluster.slots.values()
        return self.cpus - sum(slot.agent_id == agent for slot in slots)

    def allocate(self) -> list[cmd.Command]:
        """Mesos sees all agents. It ends the slots it was told to end, and offers what is free."""
        commands: list[cmd.Command] = []
        for slot in list(self.core.st.cluster.slots.values()):
            if slot.state is SlotState.ENDING:
                commands += self.update(slot.id, "TASK_KILLED")
        for agent in self.agents:
            if (cpus := self.free(agent)) > 0:
                commands += self.offer(agent, cpus=cpus)
        return commands

    def until_started(self, name: str, most: float) -> float:
        """How many seconds pass until an attempt begins, with offers every second."""
        begin = self.now
        while name not in started([*self.later(1.0), *self.allocate()]):
            assert self.now - begin < most, f"{name} does not start"
        return self.now - begin

    def hosts(self, names: Collection[str]) -> set[str]:
        """The hosts of the named attempts."""
        return {a.hostname for a in self.core.st.attempts.values() if short(a.id) in names}


def two_maps(**conf: Any) -> tuple[Listening, str]:
    """Two maps on two agents of one slot each. Then agent `a` is no longer heard."""
    hands = Listening("a", "b")
    job = hands.job(maps=2, **conf)
    hands.allocate()
    hands.later(5)
    assert hands.hosts({"m0"}) == {"a"}
    hands.cut.add("a")
    return hands, job


def test_jobs_say_whom_the_jobtracker_does_not_hear() -> None:
    hands = Listening("a", cpus=2)
    job = hands.job(maps=1)
    hands.offer("a")
    hands.later(1)
    hands.cut.add("a")
    hands.later(SILENT + 1)
    assert hands.status(job).waiting == "TaskTrackers not heard for 10 s: a"
    other = hands.job(maps=1, job_priority="HIGH")
    for _ in range(7):
        hands.later(1)
        hands.allocate()
    assert "TaskTrackers not heard for 10 s: a" in hands.status(other).waiting
    hands.cut.clear()
    hands.later(1)
    hands.allocate()
    assert not hands.status(job).waiting
    assert not hands.status(other).waiting


def test_what_runs_on_a_silent_tracker_gets_a_second_attempt_in_the_one_slot_elsewhere() -> None:
    hands, job = two_maps()
    hands.later(5)
    hands.end(long(job, "m1"))
    assert hands.until_started("m0.1", MOST_LOST) <= SILENT
    assert hands.hosts({"m0.1"}) == {"b"}
    assert hands.status(job).counters["job"]["SPECULATIVE_MAPS"] == 1
    hands.end(long(job, "m0.1"))
    assert hands.status(job).maps.succeeded == 2


def test_the_first_one_may_still_win() -> None:
    hands, job = two_maps()
    hands.end(long(job, "m1"))
    hands.until_started("m0.1", MOST_LOST)
    hands.cut.clear()
    hands.later(1)
    kills = of(hands.end(long(job, "m0")), KillAttempt)
    assert [kill.attempt_id for kill in kills] == [long(job, "m0.1")]


def test_a_tracker_that_speaks_again_in_time_has_cost_nothing() -> None:
    hands, job = two_maps()
    hands.end(long(job, "m1"))
    hands.later(SILENT - 1)
    hands.cut.clear()
    for _ in range(30):
        assert started([*hands.later(1), *hands.allocate()]) == []
    assert "SPECULATIVE_MAPS" not in hands.status(job).counters["job"]


def test_code_that_must_not_run_twice_at_a_time_waits_for_the_end_of_its_tracker() -> None:
    hands, job = two_maps(map_speculative="false")
    hands.end(long(job, "m1"))
    assert EXPIRY - 10 < hands.until_started("m0.1", 2 * EXPIRY) < EXPIRY + 10


def test_a_launch_that_nobody_spoke_of() -> None:
    hands = Listening("a", "b")
    hands.cut.add("a")
    job = hands.job(maps=1)
    hands.offer("a")
    assert hands.until_started("m0.1", MOST_LOST) <= SILENT + 2
    assert hands.hosts({"m0.1"}) == {"b"}
    hands.end(long(job, "m0.1"))
    assert hands.status(job).maps.succeeded == 1


def test_a_launch_that_nobody_spoke_of_on_a_tracker_that_is_heard() -> None:
    hands = Listening("a", "b", cpus=2)
    job = hands.job(maps=1)
    hands.offer("a", cpus=1)
    hands.later(1)
    hands.job(maps=1)
    (launch,) = launches(hands.offer("a", cpus=1))
    hands.slots[launch.tracker_id].remove(launch.slot_id)
    hands.later(SILENT + 1)
    assert [launch.first.job_id for launch in launches(hands.offer("b"))] != [job]
    assert hands.core.st.cluster.slots[launch.slot_id].attempt is not None


def test_nothing_new_starts_on_the_agent_of_a_silent_tracker() -> None:
    hands = Listening("a", cpus=2)
    hands.job(maps=1)
    hands.offer("a")
    hands.later(1)
    hands.cut.add("a")
    hands.later(SILENT + 1)
    hands.job(maps=1)
    assert launches(hands.allocate()) == []
    hands.cut.clear()
    hands.later(1)
    assert len(launches(hands.allocate())) == 1


def test_maps_whose_data_is_on_a_silent_agent_do_not_wait_for_it() -> None:
    hands = Listening("a", "b")
    hands.job(("a",), locality_wait_node="600")
    hands.allocate()
    hands.later(1)
    hands.cut.add("a")
    hands.later(SILENT + 1)
    hands.job(("a",), locality_wait_node="600")
    assert {launch.agent_id for launch in launches(hands.allocate())} == {"b"}


def test_it_goes_before_the_tasks_of_later_jobs() -> None:
    hands, job = two_maps()
    hands.job(maps=50)
    for _ in range(int(SILENT) + 2):
        hands.later(1)
        running = [name for name in hands.running if hands.agent_of[hands.tracker_of[name]] == "b"]
        hands.end(running[0])
    assert hands.status(job).maps.succeeded == 2


def test_a_reduce_that_waits_for_a_silent_map_makes_room_for_it() -> None:
    hands = Listening("a", "b")
    job = hands.job(
        maps=2, reduces=1, job_reduce_slowstart_completedmaps="0.5", map_reduce_ratio="0"
    )
    hands.allocate()
    hands.later(2)
    hands.cut.add("a")
    assert started(hands.end(long(job, "m1"))) == ["r0"], "the one slot elsewhere"
    begin = hands.now
    while not (kills := of(hands.later(1), KillAttempt)):
        assert hands.now - begin < MOST_LOST
    assert [kill.attempt_id for kill in kills] == [long(job, "r0")]
    assert started(hands.end(long(job, "r0"), AttemptState.KILLED)) == ["m0.1"]
    assert hands.now - begin < MOST_LOST
    assert started(hands.end(long(job, "m0.1"))) == ["r0.1"]


def test_a_silent_map_goes_before_a_reduce_that_would_wait_for_it() -> None:
    hands = Listening("a", "b")
    job = hands.job(
        maps=2, reduces=1, job_reduce_slowstart_completedmaps="0.5", map_reduce_ratio="0"
    )
    hands.allocate()
    hands.cut.add("a")
    hands.later(SILENT + 1)
    assert started(hands.end(long(job, "m1"))) == ["m0.1"]
    assert started(hands.end(long(job, "m0.1"))) == ["r0"]


def test_a_silent_reduce_gets_a_second_attempt_once_all_maps_are_done() -> None:
    hands = Listening("a", "b")
    job = hands.job(maps=2, reduces=1)
    hands.allocate()
    hands.later(2)
    hands.end(long(job, "m0"))
    hands.end(long(job, "m1"))
    (host,) = hands.hosts({"r0"})
    hands.cut.add(host)
    assert hands.until_started("r0.1", MOST_LOST) <= SILENT + 2
    assert hands.hosts({"r0.1"}) == {"a", "b"} - {host}


def test_map_output_on_a_silent_agent_is_made_again_once_a_reduce_cannot_fetch_it() -> None:
    """One complaint is enough, because the JobTracker does not hear that host either."""
    hands = Listening("a", "b", "c")
    job = hands.job(maps=2, reduces=2)
    hands.offer("a")
    hands.offer("b")
    hands.later(2)
    hands.end(long(job, "m0"))
    hands.end(long(job, "m1"))
    hands.allocate()
    hands.later(1)
    assert hands.hosts({"r0", "r1"}) == {"a", "b"}
    (reduce,) = (a for a in hands.core.st.attempts.values() if a.hostname == "b")
    lacked = long(job, "m0")
    hands.cut.add("a")
    hands.later(SILENT / 2)
    told = AttemptProgress(attempt_id=reduce.id, progress=0.1, fetch_failed=[lacked])
    hands.beat(reduce.tracker_id, progress=[told])
    assert hands.status(job).maps.succeeded == 2, "the way from there may be at fault"
    hands.later(SILENT)
    hands.beat(reduce.tracker_id, progress=[told])
    assert hands.status(job).maps.pending == 1
    assert "m0.1" in started(hands.allocate())


def test_an_agent_whose_tracker_expired_is_on_parole_twice_as_long_each_time() -> None:
    hands, job = two_maps()
    hands.job(maps=9)
    hands.end(long(job, "m1"))
    for time in range(3):
        while hands.core.st.cluster.trackers_on(AgentId("a")):
            hands.later(1)
        begin = hands.now
        while not hands.core.st.cluster.trackers_on(AgentId("a")):
            hands.later(1)
            hands.allocate()
            assert hands.now - begin < 1000
        assert abs(hands.now - begin - PAROLE_SECONDS * 2**time) < 3


def test_parole_ends_when_a_tracker_there_is_heard_be_it_a_forgotten_one() -> None:
    hands, _ = two_maps()
    hands.job(maps=9)
    (old,) = hands.core.st.cluster.trackers_on(AgentId("a"))
    hands.later(EXPIRY + 1)
    assert launches(hands.offer("a")) == []
    hands.beat(old.id)
    assert len(launches(hands.offer("a"))) == 1


def test_the_last_agent_is_not_kept_waiting() -> None:
    hands, _ = two_maps()
    hands.job(maps=9)
    hands.later(EXPIRY + 1)
    assert launches(hands.offer("a")) == [], "the other one is there"
    hands.do(ev.AgentLost("b"))
    hands.later(1)
    assert len(launches(hands.offer("a"))) == 1


def test_a_jobtracker_that_slept_does_not_find_everybody_silent() -> None:
    hands = Listening("a", "b")
    job = hands.job(maps=2)
    hands.allocate()
    hands.later(5)
    hands.now += 2 * EXPIRY
    assert hands.do(ev.Tick()) == []
    assert hands.status(job).maps.running == 2
    hands.cut |= {"a", "b"}
    hands.later(EXPIRY + 1)
    assert hands.status(job).maps.running == 0


# --- A task that stops its TaskTracker -----------------------------------------------------------


class Stopping(Listening):
    """A cluster in which an agent falls silent once it runs a task of the job `bad`."""

    bad = ""

    def live(self, seconds: float) -> None:
        """Other attempts take 20 s. An executor that we give up ends at once, and its resources are
        offered again.
        """
        end = self.now + seconds
        while self.now < end:
            attempts = list(self.core.st.attempts.values())
            trackers = self.core.st.cluster.trackers
            self.cut = {
                attempt.hostname
                for attempt in attempts
                if attempt.task.job_id == self.bad and trackers[attempt.tracker_id].heard
            }
            for command in [*self.later(1.0), *self.allocate()]:
                if isinstance(command, cmd.AbortJob):
                    self.do(ev.JobAborted(command.job_id))
            for attempt in attempts:
                tracker = self.core.st.cluster.trackers.get(attempt.tracker_id)
                known = attempt.id in self.core.st.attempts and tracker is not None
                if known and attempt.hostname not in self.cut and self.now - attempt.start >= 20:
                    told = AttemptProgress(attempt_id=attempt.id, progress=0.9)
                    self.beat(attempt.tracker_id, progress=[told])
                    self.end(attempt.id)


def test_a_job_whose_task_stops_its_tracker_fails_and_others_are_served() -> None:
    """This once took 44 minutes: 20 losses of 120 s each, on the only agent."""
    for agents in (("a",), ("a", "b", "c")):
        hands = Stopping(*agents, cpus=4)
        hands.bad = hands.job(maps=1)
        good = hands.job(maps=12)
        hands.allocate()
        hands.later(2)
        begin = hands.now
        while hands.status(hands.bad).state is JobState.RUNNING:
            hands.live(5)
            assert hands.now - begin < 300
        status = hands.status(hands.bad)
        assert status.state is JobState.FAILED
        assert status.error is not None
        assert "its TaskTracker stopped answering each time an attempt of" in status.error.message
        assert f"{hands.bad[4:]}_m_000000" in status.error.message
        hands.live(150)
        assert hands.status(good).maps.succeeded == 12
        task = hands.core.st.jobs[good].maps.tasks
        assert max(one.silences for one in task) < SILENCES_MAX - 1


def test_losses_of_other_kinds_do_not_count_as_silence() -> None:
    hands = Listening("a")
    job = hands.job(maps=1)
    for _ in range(2 * SILENCES_MAX):
        (launch,) = launches(hands.allocate())
        hands.later(1)
        hands.update(launch.slot_id, "TASK_FAILED", "REASON_EXECUTOR_TERMINATED")
        hands.do(ev.TrackerLost(launch.tracker_id, "a", 9))
    assert hands.status(job).state is JobState.RUNNING
