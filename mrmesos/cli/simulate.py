"""`mrmesos simulate`: runs the production scheduler on a simulated cluster and workload."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mrmesos.client.terminal.errors import Failure, UsageProblem

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
def simulate(
    spec: Path | None,
    json_file: Path | None,
    pace: bool,
    plot: Path | None,
    **options: Any,
) -> None:
    """Run the production scheduler on a virtual clock and print the figures.

    SPEC is a TOML file that describes the cluster and the jobs (docs/simulator.md). The options
    override it.
    """
    from mrmesos.simulator import plot as drawing
    from mrmesos.simulator import results, tables
    from mrmesos.simulator.spec import SpecError
    from mrmesos.simulator.world import NotOver, World

    try:
        world = World(wanted(spec, **options))
    except ValueError as problem:
        what = problem if isinstance(problem, SpecError) else f"a setting is wrong: {problem}"
        raise UsageProblem(str(what)) from None
    try:
        outcome = world.run()
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
