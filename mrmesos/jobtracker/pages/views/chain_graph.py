"""The picture of a chain: a box for each step, in columns by what it waits for, joined by lines."""

from __future__ import annotations

from typing import NamedTuple

from mrmesos.jobtracker.pages.views.jobs import progress_of
from mrmesos.wire.chain import ChainStatus, StepStatus

BOX_WIDTH, BOX_HEIGHT = 176, 44
GAP_X, GAP_Y = 44, 14
NAME_MAX = 24


class Box(NamedTuple):
    """A step and its place."""

    x: int
    y: int
    name: str
    state: str
    job_id: str
    progress: float
    title: str


class ChainGraph(NamedTuple):
    """`lines` is one SVG path from steps to those that wait for them."""

    width: int
    height: int
    boxes: list[Box]
    lines: str


def chain_graph(chain: ChainStatus) -> ChainGraph:
    """Steps that wait for nothing are in the first column; each other one is behind the last of
    those that it waits for.
    """
    columns: dict[str, int] = {}
    for step in chain.steps:  # each comes behind those that it waits for
        columns[step.name] = 1 + max((columns.get(name, -1) for name in step.after), default=-1)
    rows: dict[int, int] = {}
    places: dict[str, tuple[int, int]] = {}
    for step in chain.steps:
        column = columns[step.name]
        row = rows[column] = rows.get(column, -1) + 1
        places[step.name] = column * (BOX_WIDTH + GAP_X), row * (BOX_HEIGHT + GAP_Y)
    lines = ""
    for step in chain.steps:
        x, y = places[step.name]
        for name in step.after:
            if name in places:
                from_x, from_y = places[name]
                begin_x, begin_y = from_x + BOX_WIDTH, from_y + BOX_HEIGHT // 2
                end_y, half = y + BOX_HEIGHT // 2, (x - begin_x) // 2
                lines += f"M{begin_x} {begin_y}c{half} 0 {half} {end_y - begin_y} "
                lines += f"{x - begin_x} {end_y - begin_y}"
    return ChainGraph(
        width=max((x for x, _ in places.values()), default=0) + BOX_WIDTH,
        height=max((y for _, y in places.values()), default=0) + BOX_HEIGHT,
        boxes=[_box(step, *places[step.name]) for step in chain.steps],
        lines=lines,
    )


def _box(step: StepStatus, x: int, y: int) -> Box:
    progress = progress_of(step.job) if step.job is not None else float(step.state.done)
    name = step.name if len(step.name) <= NAME_MAX else f"{step.name[: NAME_MAX - 1]}…"
    state = step.state.value.lower()
    after = f", after {', '.join(step.after)}" if step.after else ""
    return Box(x, y, name, state, step.job_id, progress, f"{step.name}: {state}{after}")
