"""Many worlds of faults: `python -m tests.jobtracker.sim_many --runs 20000`.

A quarter of the runs are of a core that lives, a quarter of one that is killed now and then and
comes back from its journal, a quarter of hosts that cease to reach each other, and one of a
JobTracker that ceases to reach an agent (sim_reach.py). What
fails is told with its seed; that it is alone is a whole history, and `--first N --runs 1` replays
it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.jobtracker.sim import World
from tests.jobtracker.sim_crash import CrashingWorld
from tests.jobtracker.sim_reach import ReachWorld, SilentWorld


def make(number: int) -> World:
    """Run `number`: its seed is a quarter of that."""
    seed, kind = divmod(number, 4)
    if kind >= 2:
        return ReachWorld(seed) if kind == 2 else SilentWorld(seed)
    return CrashingWorld(seed, crash=0.01, power=0.3, removed=0.1) if kind else World(seed)


def story_of(world: World) -> str:
    """Run a world. Returns its last steps and the problem where it broke a promise."""
    try:
        world.run()
    except Exception as problem:  # noqa: BLE001 - whatever it was, how to replay it is what to know
        return "\n".join([*world.history[-60:], f"{type(problem).__name__}: {problem}"])
    return ""


def run(number: int) -> tuple[World, str]:
    """A world that has run, and its story where it broke a promise."""
    world = make(number)
    where = f"python -m tests.jobtracker.sim_many --first {number} --runs 1"
    return world, f"{story}\n{where}" if (story := story_of(world)) else ""


def count(seen: Counter[str], world: World, story: str) -> None:
    """Add what a run did to the figures, and show where it failed."""
    seen["runs"] += 1
    seen["jobs"] += len(world.ended)
    seen["attempts"] += len(world.launched)
    seen["events"] += world.told
    seen["JobTrackers killed"] += getattr(world, "life", 0)
    seen["failures"] += bool(story)
    if story:
        print(story, flush=True)


def main() -> int:
    """Exit code 1 where any run failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--failures", type=int, default=1, help="after so many it ends")
    options = parser.parse_args()
    seen: Counter[str] = Counter()
    try:
        for number in range(options.first, options.first + options.runs):
            count(seen, *run(number))
            if seen["failures"] >= options.failures:
                break
    except KeyboardInterrupt:  # what was seen until then is worth knowing
        print(f"interrupted before run {number}")
    figures = ", ".join(f"{times:,} {name}" for name, times in seen.items())
    print(f"{figures}; {time.process_time():,.0f} s of CPU")
    return 1 if seen["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
