"""The picture of a simulation: an SVG written by hand, so that drawing needs no further package."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from mrmesos.simulator.results import Figures
from mrmesos.simulator.world import Outcome

WIDTH, PANEL, LEFT, RIGHT, TOP, GAP = 900, 180, 70, 20, 46, 62
INNER = WIDTH - LEFT - RIGHT
COLOURS = {"node": "#2b6cb0", "rack": "#90cdf4", "else": "#e2e8f0", "held": "#f6ad55"}
INK, GRID = "#2d3748", "#cbd5e0"


def svg(outcome: Outcome, result: Figures) -> str:
    """Use over time, locality by size of job, and response times by size of job."""
    title = (
        f"{result['agents']:,} agents, {result['jobs']:,} jobs, {result['tasks']:,} tasks, "
        f"seed {result['seed']}"
    )
    height = TOP + 3 * (PANEL + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12" fill="{INK}">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        _text(LEFT, 20, title, size=15),
        *_use(outcome, TOP),
        *_locality(result, TOP + PANEL + GAP),
        *_responses(result, TOP + 2 * (PANEL + GAP)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _use(outcome: Outcome, top: int) -> Iterator[str]:
    total = outcome.total["cpus"]
    samples = outcome.meter.samples
    end = max(outcome.seconds, 1.0)
    yield from _frame(top, "CPUs over time: held by slots, and used by attempts", "100 %")
    for name, field in (("held", "cpus_held"), ("node", "cpus_used")):
        points = [(s.at / end, getattr(s, field) / total) for s in samples if s.at <= end]
        yield _area(points, top, COLOURS[name])
    yield from _key(top, (("used", COLOURS["node"]), ("held, not used", COLOURS["held"])))
    unit, name = (3600, "h") if end > 7200 else (60, "min") if end > 300 else (1, "s")
    for tick in range(5):
        x = LEFT + INNER * tick / 4
        yield _text(x, top + PANEL + 16, f"{end * tick / 4 / unit:.3g} {name}", anchor="middle")


def _locality(result: Figures, top: int) -> Iterator[str]:
    yield from _frame(top, "Where maps ran, by maps a job", "100 %")
    kinds = (("node", "node_local"), ("rack", "rack_local"), ("else", "elsewhere"))
    for x, width, name, group in _columns(result):
        yield _text(x + width / 2, top + PANEL + 16, name, anchor="middle")
        base = 0.0
        for colour, key in kinds:
            share = group[key] or 0.0
            yield _bar(x, top, width, base, share, COLOURS[colour])
            base += share
        if group["node_local"] is not None:
            label = f"{group['node_local'] * 100:.1f} %"
            yield _text(x + width / 2, top + PANEL - 6, label, anchor="middle", colour="white")
    names = (("on the node", "node"), ("in the rack", "rack"), ("elsewhere", "else"))
    yield from _key(top, [(words, COLOURS[colour]) for words, colour in names])


def _responses(result: Figures, top: int) -> Iterator[str]:
    highest = max(group["response_95"] for group in result["by_maps"].values()) or 1.0
    yield from _frame(top, "Response times, by maps a job", f"{highest:,.0f} s")
    for x, width, name, group in _columns(result):
        yield _text(x + width / 2, top + PANEL + 16, name, anchor="middle")
        for place, (key, colour) in enumerate((("median", "node"), ("95", "rack"))):
            seconds = group[f"response_{key}"]
            left, half = x + place * width / 2, width / 2 - 2
            yield _bar(left, top, half, 0.0, seconds / highest, COLOURS[colour])
            y = top + PANEL * (1 - seconds / highest) - 4
            yield _text(left + half / 2, y, f"{seconds:,.0f}", anchor="middle")
    yield from _key(top, (("median", COLOURS["node"]), ("95 %", COLOURS["rack"])))


def _columns(result: Figures) -> Iterator[tuple[float, float, str, Figures]]:
    groups = result["by_maps"]
    step = INNER / max(1, len(groups))
    for place, (name, group) in enumerate(groups.items()):
        yield LEFT + place * step + step * 0.2, step * 0.6, name, group


def _frame(top: int, title: str, highest: str) -> Iterator[str]:
    yield _text(LEFT, top - 8, title, size=13)
    for part in (0.0, 0.5, 1.0):
        y = top + PANEL * part
        yield f'<path d="M{LEFT} {y:.1f}h{INNER}" stroke="{GRID}" fill="none"/>'
    yield _text(LEFT - 6, top + 10, highest, anchor="end")
    yield _text(LEFT - 6, top + PANEL, "0", anchor="end")


def _key(top: int, names: Sequence[tuple[str, str]]) -> Iterator[str]:
    x = float(WIDTH - RIGHT)
    for words, colour in reversed(names):
        x -= 7.0 * len(words) + 24
        yield f'<rect x="{x:.1f}" y="{top - 18}" width="10" height="10" fill="{colour}"/>'
        yield _text(x + 14, top - 9, words)


def _bar(x: float, top: int, width: float, base: float, share: float, colour: str) -> str:
    y = top + PANEL * (1 - base - share)
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{PANEL * share:.1f}" '
        f'fill="{colour}"/>'
    )


def _area(points: Sequence[tuple[float, float]], top: int, colour: str) -> str:
    """Steps: a sample counts until the next one."""
    bottom = top + PANEL
    path = [f"M{LEFT} {bottom}"]
    for x, share in points:
        path.append(f"H{LEFT + INNER * x:.1f}V{bottom - PANEL * min(1.0, share):.1f}")
    path.append(f"H{LEFT + INNER}V{bottom}Z")
    return f'<path d="{"".join(path)}" fill="{colour}"/>'


def _text(
    x: float, y: float, words: str, *, anchor: str = "start", size: int = 12, colour: str = INK
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
        f'fill="{colour}">{escape(words)}</text>'
    )
