"""The profile of an attempt as a flame graph. Each function is a box below the function that calls
it, as wide as its part of the whole. The functions that take most by themselves are listed as text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mrmesos.jobtracker.history import words
from mrmesos.wire.profile import CPU, Node, Profile, unpacked

WIDTH, ROW = 1200, 17
LETTER = 6.2
"""About the width of a letter."""
BOXES_MAX = 1_500
LEAST_WIDTH = 0.6
TOP_MAX = 15
YOURS, OURS, LIBRARY = "yours", "ours", "library"


class FlameBox(NamedTuple):
    """A function and its place. `text` is as much of its name as fits. `number` selects it."""

    number: int
    x: float
    y: int
    width: float
    kind: str
    text: str
    title: str


class TopLine(NamedTuple):
    """A function, with its own cost, and its cost together with the functions that it calls."""

    name: str
    kind: str
    own: str
    part: float
    whole: str


class FlameGraph(NamedTuple):
    """`root`: the selected function; empty if all are shown."""

    what: str
    total: str
    root: str
    height: int
    boxes: list[FlameBox]
    top: list[TopLine]
    left_out: str


def flame_graph(text: str, frame: str = "") -> FlameGraph | None:
    """The picture of a packed profile, or of one function in it (`frame`: its number) and its
    callees. None if it cannot be read.
    """
    profile = unpacked(text)
    if profile is None:
        return None
    nodes, root = profile.nodes, -1
    if frame.isascii() and frame.isdigit() and len(frame) < 6 and int(frame) < len(nodes):
        root = int(frame)
    amount = words.size if profile.kind != CPU else _cpu
    whole = nodes[root].value if root >= 0 else profile.total
    boxes = _boxes(profile, root, max(1, whole))
    return FlameGraph(
        what="CPU time" if profile.kind == CPU else "memory at the peak",
        total=amount(profile.total),
        root=profile.frames[nodes[root].frame] if root >= 0 else "",
        height=max((box.y for box in boxes), default=0) + ROW,
        boxes=[box._replace(title=_title(profile, box, whole, amount)) for box in boxes],
        top=_top(profile, amount),
        left_out=amount(profile.left_out) if profile.left_out * 100 > profile.total else "",
    )


def _cpu(microseconds: float) -> str:
    small = microseconds < 1e6
    return f"{microseconds / 1e3:.0f} ms" if small else words.duration(microseconds / 1e6)


def kind_of(name: str) -> str:
    """The owner of a function, by its file (worker/profiler.py)."""
    place = name.rpartition("(")[2]
    if place.startswith("mrmesos/"):
        return OURS
    return LIBRARY if place.startswith(("lib/", "<")) else YOURS


def _boxes(profile: Profile, root: int, whole: int) -> list[FlameBox]:
    """The boxes, from the root down, and from left to right."""
    found: list[FlameBox] = []
    first = 0 if root < 0 else profile.nodes[root].depth
    left: list[float] = [0.0]  # where the next box of each depth begins
    for number, node in enumerate(profile.nodes[max(root, 0) :], max(root, 0)):
        depth = node.depth - first
        if root >= 0 and number > root and depth <= 0:
            break  # not below the root any more
        width = min(WIDTH, node.value / whole * WIDTH)
        del left[depth + 1 :]
        x = left[depth]
        left[depth] = x + width
        left.append(x)
        if width >= LEAST_WIDTH and len(found) < BOXES_MAX:
            name = profile.frames[node.frame]
            found.append(
                FlameBox(number, round(x, 1), depth * ROW, round(width, 1), kind_of(name), "", "")
            )
    return [box._replace(text=_fitting(profile, box)) for box in found]


def _fitting(profile: Profile, box: FlameBox) -> str:
    room = int((box.width - 6) / LETTER)
    name = profile.frames[profile.nodes[box.number].frame]
    short = name.rpartition(" (")[0] or name
    if room < 3:
        return ""
    if len(name) <= room:
        return name
    return short if len(short) <= room else f"{short[: room - 1]}…"


def _title(profile: Profile, box: FlameBox, whole: int, amount: Callable[[float], str]) -> str:
    node: Node = profile.nodes[box.number]
    part = words.percent(node.value / whole if whole else 0)
    return f"{profile.frames[node.frame]}: {amount(node.value)}, {part}"


def _top(profile: Profile, amount: Callable[[float], str]) -> list[TopLine]:
    own: dict[int, int] = {}
    whole: dict[int, int] = {}
    path: list[Node] = []
    for node in profile.nodes:
        del path[node.depth :]
        own[node.frame] = own.get(node.frame, 0) + node.value
        if path:
            own[path[-1].frame] -= node.value
        if all(one.frame != node.frame for one in path):  # a recursion counts once
            whole[node.frame] = whole.get(node.frame, 0) + node.value
        path.append(node)
    most = sorted(own, key=lambda frame: -own[frame])[:TOP_MAX]
    return [
        TopLine(
            name=profile.frames[frame],
            kind=kind_of(profile.frames[frame]),
            own=amount(own[frame]),
            part=own[frame] / profile.total if profile.total else 0.0,
            whole=amount(whole[frame]),
        )
        for frame in most
        if own[frame] > 0
    ]
