"""The picture of a graph: a box for each node, joined by lines. Each node is in a column to the
right of the nodes for which it waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mrmesos.jobtracker.core.state.queue_view import QueueView
from mrmesos.jobtracker.pages.views.jobs import progress_of
from mrmesos.wire.chain import ChainStatus

BOX_WIDTH, BOX_HEIGHT = 176, 44
GAP_X, GAP_Y = 44, 14
NAME_MAX = 24
TASKS_MAX = 60
"""A queue with more tasks is not drawn."""


class GraphNode(NamedTuple):
    """A step or a task. `after` are the ids of the nodes for which it waits; they come before
    it.
    """

    id: str
    name: str
    state: str
    link: str
    progress: float
    after: Sequence[str]
    title: str


class Box(NamedTuple):
    """A node and its place. `name` is short enough for the box."""

    x: int
    y: int
    name: str
    node: GraphNode


class Graph(NamedTuple):
    """`lines` is one SVG path, from each node to the nodes that wait for it."""

    width: int
    height: int
    boxes: list[Box]
    lines: str


def graph_of(nodes: Sequence[GraphNode]) -> Graph:
    """The columns. Nodes that wait for nothing are in the first one. Each other node is to the
    right of all nodes for which it waits.
    """
    columns: dict[str, int] = {}
    for node in nodes:
        columns[node.id] = 1 + max((columns.get(one, -1) for one in node.after), default=-1)
    rows: dict[int, int] = {}
    places: dict[str, tuple[int, int]] = {}
    for node in nodes:
        column = columns[node.id]
        row = rows[column] = rows.get(column, -1) + 1
        places[node.id] = column * (BOX_WIDTH + GAP_X), row * (BOX_HEIGHT + GAP_Y)
    lines = ""
    for node in nodes:
        x, y = places[node.id]
        for one in node.after:
            if one in places:
                from_x, from_y = places[one]
                begin_x, begin_y = from_x + BOX_WIDTH, from_y + BOX_HEIGHT // 2
                end_y, half = y + BOX_HEIGHT // 2, (x - begin_x) // 2
                lines += f"M{begin_x} {begin_y}c{half} 0 {half} {end_y - begin_y} "
                lines += f"{x - begin_x} {end_y - begin_y}"
    return Graph(
        width=max((x for x, _ in places.values()), default=0) + BOX_WIDTH,
        height=max((y for _, y in places.values()), default=0) + BOX_HEIGHT,
        boxes=[Box(*places[node.id], _short(node.name), node) for node in nodes],
        lines=lines,
    )


def _short(name: str) -> str:
    return name if len(name) <= NAME_MAX else f"{name[: NAME_MAX - 1]}…"


def chain_graph(chain: ChainStatus) -> Graph:
    """The steps of a chain."""
    nodes: list[GraphNode] = []
    for step in chain.steps:
        progress = progress_of(step.job) if step.job is not None else float(step.state.done)
        state = step.state.value.lower()
        after = f", after {', '.join(step.after)}" if step.after else ""
        link = f"jobs/{step.job_id}" if step.job_id else ""
        title = f"{step.name}: {state}{after}"
        nodes.append(GraphNode(step.name, step.name, state, link, progress, step.after, title))
    return graph_of(nodes)


def queue_graph(view: QueueView) -> Graph | None:
    """The tasks of a queue that are not over. None if no task waits for another one, or if there
    are more than TASKS_MAX.
    """
    tasks = sorted(view.tasks, key=lambda task: task.key)  # a task waits only for older ones
    if view.total > min(TASKS_MAX, len(tasks)) or not any(task.after for task in tasks):
        return None
    return graph_of(
        [
            GraphNode(
                id=str(task.key),
                name=task.name or f"task {task.key}",
                state=task.state,
                link=f"attempts/{task.attempt_id}" if task.attempt_id else f"jobs/{task.job_id}",
                progress=task.progress,
                after=[str(key) for key in task.after],
                title=f"{task.name}: {task.state}",
            )
            for task in tasks
        ]
    )
