"""The faults of a world, and how often each happens."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(slots=True)
class FaultPlan:
    """The rates of faults. If all are zero, the world has no faults. At the time `until`, faults
    stop.
    """

    attempt_fails: float = 0.0
    out_of_memory: float = 0.0
    """The part of the failed attempts that died of too little memory."""
    impossible: float = 0.0
    """A user submits a job that no agent can run, with `job.fail-if-impossible`."""
    heartbeat_lost: float = 0.0
    heartbeat_doubled: float = 0.0
    launch_fails: float = 0.0
    executor_dies: float = 0.0
    agent_dies: float = 0.0
    silence: float = 0.0
    disconnect: float = 0.0
    rescind: float = 0.0
    kill_job: float = 0.0
    move_job: float = 0.0
    """A user gives a job another priority or pool."""
    unkept: float = 0.0
    """A record of a job, a chain or a queue cannot be encoded for the journal."""
    store_silent: float = 0.0
    """A filesystem does not answer for a while."""
    plan_fails: float = 0.0
    commit_fails: float = 0.0
    fetch_fails: float = 0.0
    damage: float = 0.0
    """How often a segment is damaged: one partition of one map output."""
    cut: float = 0.0
    """Two hosts cease to reach each other, in one direction or both."""
    unheard: float = 0.0
    """The JobTracker and an agent's TaskTracker cease to reach each other."""
    partition: float = 0.0
    maintenance: float = 0.0
    straggles: float = 0.0
    bad_hosts: float = 0.0
    event_lost: float = 0.0
    event_doubled: float = 0.0
    event_late: float = 0.0
    until: float = 120.0


def random_plan(rng: random.Random, users: random.Random, limits: random.Random) -> FaultPlan:
    """Each kind of fault occurs in about half of the worlds. `users` decides the requests of users,
    and the faults of their jobs. `limits` decides about memory, and about jobs that no agent can
    run.
    """

    def some(most: float, rng: random.Random = rng) -> float:
        return rng.uniform(0, most) if rng.random() < 0.5 else 0.0

    return FaultPlan(
        move_job=some(0.6, users),
        unkept=some(0.01, users),
        store_silent=some(0.5, users),
        out_of_memory=some(1.0, limits),
        impossible=some(0.4, limits),
        attempt_fails=some(0.3),
        heartbeat_lost=some(0.4),
        heartbeat_doubled=some(0.4),
        launch_fails=some(0.4),
        executor_dies=some(0.05),
        agent_dies=some(0.02),
        silence=some(0.03),
        disconnect=some(0.03),
        rescind=some(0.3),
        kill_job=some(0.6),
        plan_fails=some(0.2),
        commit_fails=some(0.2),
        fetch_fails=some(0.02),
        damage=some(0.05),
        cut=some(0.02),
        unheard=some(0.01),
        partition=some(0.02),
        maintenance=some(0.02),
        straggles=some(0.2),
        bad_hosts=some(0.5),
        event_lost=some(0.3),
        event_doubled=some(0.3),
        event_late=some(0.3),
    )
