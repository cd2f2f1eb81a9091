"""The kinds of worlds with faults, and runs of many of them.

A seed is a whole history. Without a kind, seeds go through IN_TURN: a core that lives on, a core
that is killed now and then and comes back from its journal, hosts that cease to reach each other,
a JobTracker that ceases to reach an agent, free tasks, and chains of jobs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from mrmesos.simulator.faults.chains import ChainWorld
from mrmesos.simulator.faults.crashing import CrashingWorld
from mrmesos.simulator.faults.fault_plan import FaultPlan
from mrmesos.simulator.faults.free_tasks import FreeTaskWorld
from mrmesos.simulator.faults.reach import ReachWorld, SilentWorld, SmallWorld
from mrmesos.simulator.faults.unheard import UnheardWorld
from mrmesos.simulator.faults.world import FaultWorld

STORY_LINES = 60


def _one_job(seed: int) -> FaultWorld:
    return FaultWorld(seed, jobs=1)


def _crashing(seed: int) -> FaultWorld:
    return CrashingWorld(seed, crash=0.01, power=0.3, removed=0.1)


def _chains(seed: int) -> FaultWorld:
    return ChainWorld(seed, crash=0.01 * (seed % 3), power=0.3)


def _rough(seed: int) -> FaultWorld:
    faults = FaultPlan(attempt_fails=0.3, executor_dies=0.1, agent_dies=0.03, straggles=0.3)
    return FaultWorld(seed, faults, agents=5, jobs=3)


def _out_of_sight(seed: int) -> FaultWorld:
    return FaultWorld(seed, FaultPlan(partition=0.05, event_lost=0.5), agents=3, jobs=3)


def _apart(seed: int) -> FaultWorld:
    hosts = 2 + seed % 2
    return SmallWorld(seed, hosts, pairs=((0, 1), (1, 0)), maps=2 * hosts, reduces=hosts)


WORLDS: Mapping[str, Callable[[int], FaultWorld]] = {
    "mixed": FaultWorld,
    "crashing": _crashing,
    "cut": ReachWorld,
    "silent": SilentWorld,
    "one-job": _one_job,
    "unheard": UnheardWorld,
    "rough": _rough,
    "out-of-sight": _out_of_sight,
    "apart": _apart,
    "tasks": FreeTaskWorld,
    "chains": _chains,
}
"""By kind. `mixed` draws its faults from the seed, and so do `crashing`, `chains` and `one-job`.
In `rough` attempts, TaskTrackers and agents fail all the time; in `out-of-sight` the master loses
sight of agents and half of its events are lost; in `apart` two of at most three hosts do not reach
each other; in `tasks` a client runs free tasks beside a job, and the core is killed now and then;
in `chains` jobs begin when others have succeeded, and the core is killed, too.
"""
IN_TURN = ("mixed", "crashing", "cut", "silent", "tasks", "chains")


def make(seed: int, kind: str = "") -> FaultWorld:
    """A world of this kind. Without a kind, the kinds take turns, and each gets a sixth of the
    seeds.
    """
    if not kind:
        seed, turn = divmod(seed, len(IN_TURN))
        kind = IN_TURN[turn]
    return WORLDS[kind](seed)


def story_of(world: FaultWorld) -> str:
    """Run a world. Returns its last steps and the problem. The problem is "" if it broke no
    promise.
    """
    try:
        world.run()
    except Exception as problem:  # noqa: BLE001 - whatever it was, how to replay it is what to know
        return "\n".join([*world.history[-STORY_LINES:], f"{type(problem).__name__}: {problem}"])
    return ""


def command(seed: int, kind: str = "") -> str:
    """The command that replays a history."""
    return f"mrmesos simulate --faults --seed {seed}" + (f" --world {kind}" if kind else "")


def run(seed: int, kind: str = "") -> tuple[FaultWorld, str]:
    """A world that has run, and its story if it broke a promise."""
    world = make(seed, kind)
    story = story_of(world)
    return world, f"{story}\nreplay it: {command(seed, kind)}" if story else ""


def prove(seed: int, kind: str = "") -> FaultWorld:
    """Run a world. Raises AssertionError with its story if it broke a promise."""
    world, story = run(seed, kind)
    if story:
        raise AssertionError(story)
    return world


def count(seen: Counter[str], world: FaultWorld, story: str) -> None:
    """Add what a run did to the figures."""
    seen["histories"] += 1
    seen["jobs"] += len(world.ended)
    seen["attempts"] += len(world.launched)
    seen["events"] += world.told
    seen["JobTrackers killed"] += world.life if isinstance(world, CrashingWorld) else 0
    seen["failures"] += bool(story)
