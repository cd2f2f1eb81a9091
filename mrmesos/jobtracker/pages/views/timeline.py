"""The picture of all attempts of a job: a lane for each slot, by agent, and time to the right.

Up to SINGLE_MAX attempts each have their own shape, with a link and a tooltip. More are drawn as
one path for each kind of mark, so that a browser shows 100,000 attempts at once. Kinds differ in
pattern and height, not only in colour.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from mrmesos.jobtracker.history import words
from mrmesos.wire.ids import TaskKind
from mrmesos.wire.job import AttemptRow
from mrmesos.wire.task import AttemptState, Locality

WIDTH = 1000
LEFT = 150
"""The room for names of agents. Attempts are drawn to the right of it."""
RIGHT = 10
AXIS = 18
SINGLE_MAX = 800
LANES_MAX = 400
LANE_MIN, LANE_MAX = 2.0, 14.0
HEIGHT_MAX = 460.0
NAME_HEIGHT = 10.0
TICKS = 6
NICE = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 86_400)

LEGEND = {
    "node": "map, node-local",
    "rack": "map, rack-local",
    "far": "map, elsewhere",
    "reduce": "reduce",
    "failed": "failed",
    "killed": "killed",
    "running": "running",
    "backup": "speculative",
}
"""The kinds of marks, in the order of the legend. `backup` is a line under another mark."""


@dataclass(slots=True)
class Mark:
    """One attempt with a shape of its own."""

    kind: str
    x: float
    y: float
    width: float
    height: float
    attempt_id: str
    title: str


@dataclass(slots=True)
class Name:
    """A text beside the lanes, or at the time axis."""

    x: float
    y: float
    text: str


@dataclass(slots=True)
class Timeline:
    """The picture. `paths`: for each kind, the strokes of all its attempts."""

    height: float
    lanes: int
    slots: int
    bar: float
    """The height of a shape, and the width of the strokes of a path."""
    marks: list[Mark] = field(default_factory=list)
    paths: dict[str, str] = field(default_factory=dict)
    backups: str = ""
    names: list[Name] = field(default_factory=list)
    ticks: list[Name] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    """The kinds that occur, for the legend."""


def kind_of(row: AttemptRow) -> str:
    """The kind of mark of an attempt."""
    if row.state == AttemptState.FAILED:
        return "failed"
    if row.state == AttemptState.KILLED:
        return "killed"
    if row.state == AttemptState.RUNNING:
        return "running"
    if row.kind == TaskKind.REDUCE:
        return "reduce"
    return {Locality.NODE_LOCAL: "node", Locality.RACK_LOCAL: "rack"}.get(row.locality, "far")


def timeline(rows: Sequence[AttemptRow], now: float) -> Timeline | None:
    """The picture of these attempts. None if none has begun."""
    begun = [row for row in rows if row.start > 0]
    if not begun:
        return None
    first = min(row.start for row in begun)
    last = max(row.start if row.end is None else row.end for row in begun)
    if any(row.end is None for row in begun):
        last = max(last, now)
    span = max(last - first, 0.1)
    scale = (WIDTH - LEFT - RIGHT) / span
    lane_of, hosts = _lanes(begun)
    slots = len(lane_of)
    lanes = min(slots, LANES_MAX)
    height = min(LANE_MAX, max(LANE_MIN, HEIGHT_MAX / lanes))
    bar = max(1.0, height - (2.0 if height > 6 else 0.5))
    picture = Timeline(height=lanes * height + AXIS, lanes=lanes, slots=slots, bar=bar)
    tops = [AXIS + height * (lane * lanes // slots) for lane in range(slots)]
    top_of = {key: tops[lane] for key, lane in lane_of.items()}
    draw = _draw_each if len(begun) <= SINGLE_MAX else _draw_paths
    kinds = draw(picture, begun, _Place(first, scale, max(last, now), top_of))
    picture.kinds = [kind for kind in LEGEND if kind in kinds]
    picture.names = _names({host: tops[lane] for host, lane in hosts.items()})
    picture.ticks = _ticks(span, scale)
    return picture


class _Place(NamedTuple):
    """The position of attempts: time goes to the right, and slots go downwards."""

    first: float
    scale: float
    now: float
    top_of: dict[tuple[str, str], float]


def _draw_each(picture: Timeline, rows: Iterable[AttemptRow], place: _Place) -> set[str]:
    """Draw a shape for each attempt. Returns the kinds that occur."""
    kinds = set()
    for row in rows:
        kind = kind_of(row)
        end = max(row.end if row.end is not None else place.now, row.start)
        x = LEFT + (row.start - place.first) * place.scale
        width = max(1.0, (end - row.start) * place.scale)
        y = place.top_of[row.hostname, row.slot]
        title = _title(row, place.first, end)
        picture.marks.append(Mark(kind, x, y, width, picture.bar, row.id, title))
        kinds.add(kind)
        if row.backup:
            kinds.add("backup")
            picture.backups += f"M{x:.1f} {y + picture.bar:.1f}h{width:.1f}"
    return kinds


def _draw_paths(picture: Timeline, rows: Iterable[AttemptRow], place: _Place) -> set[str]:
    """Draw all attempts of a kind as one path of strokes. Returns the kinds that occur."""
    first, scale, now, top_of = place
    outlines: dict[str, list[str]] = {}
    half = picture.bar / 2
    begins = {key: f"{top + half:.1f}h" for key, top in top_of.items()}
    for row in rows:
        kind = kind_of(row)
        x = int(LEFT + (row.start - first) * scale)
        end = now if row.end is None else row.end
        width = int(LEFT + (end - first) * scale) - x or 1
        stroke = f"M{x} {begins[row.hostname, row.slot]}{width}"
        outlines.setdefault(kind, []).append(stroke)
        if row.backup:
            outlines.setdefault("backup", []).append(stroke)
    picture.backups = "".join(outlines.pop("backup", ()))
    picture.paths = {kind: "".join(outlines[kind]) for kind in LEGEND if kind in outlines}
    return {*outlines, *(["backup"] if picture.backups else [])}


def _lanes(rows: Iterable[AttemptRow]) -> tuple[dict[tuple[str, str], int], dict[str, int]]:
    """A lane for each slot, and the first lane of each host. Slots of a host stand together."""
    slots: dict[str, dict[str, float]] = {}
    for row in rows:
        known = slots.setdefault(row.hostname, {})
        known[row.slot] = min(row.start, known.get(row.slot, row.start))
    lane_of: dict[tuple[str, str], int] = {}
    hosts: dict[str, int] = {}
    for host in sorted(slots):
        hosts[host] = len(lane_of)
        for slot in sorted(slots[host], key=slots[host].__getitem__):
            lane_of[host, slot] = len(lane_of)
    return lane_of, hosts


def _names(hosts: dict[str, float]) -> list[Name]:
    """The names of the hosts at these heights, as far as there is room."""
    names: list[Name] = []
    for host, y in hosts.items():
        if not names or y - names[-1].y >= NAME_HEIGHT:
            shown = host if len(host) <= 22 else f"{host[:21]}…"
            names.append(Name(LEFT - 8, y, shown))
    return names


def _ticks(span: float, scale: float) -> list[Name]:
    step = next((one for one in NICE if span / one <= TICKS), NICE[-1] * -(-span // NICE[-1] // 6))
    number, ticks = 0, []
    while number * step <= span and number <= 2 * TICKS:
        seconds = number * step
        text = words.duration(seconds) if seconds >= 60 else f"{seconds:g} s"
        ticks.append(Name(LEFT + seconds * scale, 0, text))
        number += 1
    return ticks


def _title(row: AttemptRow, first: float, end: float) -> str:
    parts = [
        row.id,
        f"{row.state.lower()} on {row.hostname}",
        f"{words.duration(end - row.start)}, from {words.duration(row.start - first)} on",
    ]
    if row.kind == TaskKind.MAP:
        parts.append(row.locality.value.lower().replace("_", "-").replace("any", "not local"))
    if row.backup:
        parts.append("speculative")
    if row.error is not None:
        parts.append(row.error.message[:200])
    return "\n".join(parts)
