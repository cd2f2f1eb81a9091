"""`mrmesos simulate`: plans a cluster, or proves the core in random histories with faults."""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mrmesos.client.terminal.errors import Failure, UsageProblem
from mrmesos.simulator.faults import WORLD_KINDS

if TYPE_CHECKING:
    from mrmesos.simulator.spec import Spec


@click.command("simulate", short_help="Simulate a cluster and its jobs.")
@click.argument(
    "spec", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--swim",
    type=click.Path(exists=True, dir_okay=False),
    help="Take the jobs from a SWIM file instead of SPEC.",
)
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    help="Use only this part of the SWIM file's lines.",
)
@click.option("--agents", type=click.IntRange(1), help="Number of agents.")
@click.option("--racks", type=click.IntRange(1), help="Number of racks.")
@click.option(
    "--slots-per-agent",
    type=click.IntRange(1),
    help="Size of an agent: its TaskTracker and this many maps of default size.",
)
@click.option(
    "--seed", type=int, help="Seed of the random numbers. The same seed gives the same run."
)
@click.option("-D", "define", multiple=True, metavar="NAME=VALUE", help="Set a setting of mrmesos.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write all figures to this file. The same seed gives the same bytes.",
)
@click.option("--pace", is_flag=True, help="Add the speed of this simulation to --json.")
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw utilization over time, locality and response times to this SVG file.",
)
@click.option(
    "--faults",
    is_flag=True,
    help="Run random histories with faults instead of SPEC, and check the promises of the core.",
)
@click.option(
    "--runs",
    type=click.IntRange(1),
    help="With --faults: run this many histories, with this seed and the next ones. [default: 1]",
)
@click.option(
    "--world",
    type=click.Choice(WORLD_KINDS),
    help="With --faults: the kind of world. Without it, the seed chooses among the first four.",
)
@click.option("--story", is_flag=True, help="With --faults: print each history's last events.")
def simulate(
    spec: Path | None,
    json_file: Path | None,
    pace: bool,
    plot: Path | None,
    faults: bool,
    runs: int | None,
    world: str | None,
    story: bool,
    **options: Any,
) -> None:
    """Run the production scheduler on a virtual clock and print the figures.

    SPEC is a TOML file that describes the cluster and the jobs (docs/simulator.md). The options
    override it.

    With --faults it runs small random worlds in which processes, messages and machines fail, and
    checks after each event that the core keeps its promises. If a history breaks a
    promise, it is printed with the command that replays it.
    """
    if faults:
        seed = options.pop("seed")
        if pace or any(
            given not in (None, ()) for given in (spec, json_file, plot, *options.values())
        ):
            raise UsageProblem("--faults goes only with --seed, --runs, --world and --story")
        prove(seed, runs or 1, world or "", story)
        return
    if runs is not None or world is not None or story:
        raise UsageProblem("--runs, --world and --story go only with --faults")
    from mrmesos.simulator import plot as drawing
    from mrmesos.simulator import results, tables
    from mrmesos.simulator.spec import SpecError
    from mrmesos.simulator.world import NotOver, World

    try:
        planned = World(wanted(spec, **options))
    except ValueError as problem:
        what = problem if isinstance(problem, SpecError) else f"a setting is wrong: {problem}"
        raise UsageProblem(str(what)) from None
    try:
        outcome = planned.run()
    except NotOver as problem:
        raise Failure(str(problem)) from None
    result, speed = results.figures(outcome), results.pace(outcome)
    sys.stdout.write(tables.text(result, speed))
    try:
        if json_file is not None:
            json_file.write_bytes(results.as_json({**result, "pace": speed} if pace else result))
        if plot is not None:
            plot.write_text(drawing.svg(outcome, result), encoding="utf-8")
    except OSError as error:
        raise UsageProblem(f"cannot write {error.filename}: {error.strerror}") from None


def prove(seed: int | None, runs: int, kind: str, story: bool) -> None:
    """Run histories with faults until one breaks a promise. Then raises Failure."""
    from mrmesos.simulator.faults import histories

    if not __debug__:
        raise UsageProblem("Python runs with -O or PYTHONOPTIMIZE, which removes the checks")
    first = random.SystemRandom().randrange(10**6) if seed is None else seed
    print(f"seed {first}")
    seen: Counter[str] = Counter()
    for number in range(first, first + runs):
        try:
            world, failure = histories.run(number, kind)
        except KeyboardInterrupt:  # the histories that ran until then are worth a report
            print(f"interrupted in {histories.command(number, kind)}")
            break
        histories.count(seen, world, failure)
        if story and not failure:
            print("\n".join(world.history))
        if failure:
            print(failure)
            break
    figures = ", ".join(f"{times:,} {name}" for name, times in seen.items())
    print(f"{figures}; {time.process_time():,.0f} s of CPU")
    if seen["failures"]:
        raise Failure(f"the core broke a promise; replay: {histories.command(number, kind)}")


def wanted(
    path: Path | None,
    *,
    swim: str | None,
    share: float | None,
    agents: int | None,
    racks: int | None,
    slots_per_agent: int | None,
    seed: int | None,
    define: tuple[str, ...],
) -> Spec:
    """The specification, overridden by the options. Raises ValueError."""
    from mrmesos import conf as c
    from mrmesos.conf import Conf, parse_assignments
    from mrmesos.simulator.spec import Spec, SpecError, SwimSpec, as_text, change, load

    spec = load(path) if path is not None else Spec()
    conf = {**spec.conf, **parse_assignments(define)}
    Conf(as_text(conf)).check_service()
    spec = change(spec, conf=conf, seed=spec.seed if seed is None else seed)
    if swim is not None:
        spec = change(spec, jobs=(), swim=change(spec.swim or SwimSpec(file=swim), file=swim))
    if share is not None:
        if spec.swim is None:
            raise SpecError("--share needs a SWIM file: give --swim, or `swim` in SPEC")
        spec = change(spec, swim=change(spec.swim, share=share))
    cluster: dict[str, Any] = {"agents": agents, "racks": racks}
    if slots_per_agent is not None:
        settings = Conf(as_text(spec.conf))
        own = settings.get_as(c.TASKTRACKER_MEMORY_MB)
        cluster["cpus"] = slots_per_agent * settings.get_as(c.MAP_CPUS)
        cluster["memory_mb"] = own + slots_per_agent * settings.get_as(c.MAP_MEMORY_MB)
    given = {name: value for name, value in cluster.items() if value is not None}
    return change(spec, cluster=change(spec.cluster, **given))
