"""Small pictures: histograms of counters, and resources over time. Each has a text, too, for people
who cannot see it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from mrmesos.jobtracker.history import words
from mrmesos.jobtracker.history.record import HistoryRecord
from mrmesos.jobtracker.history.spread import MILLIS, Spread

WIDTH, HEIGHT = 240, 56
TREND_WIDTH, TREND_HEIGHT = 480, 96
_SHOWN = {
    ("map", MILLIS): "durations of maps",
    ("reduce", MILLIS): "durations of reduces",
    ("map", "MAP_INPUT_BYTES"): "input of maps",
    ("map", "MAP_OUTPUT_BYTES"): "output of maps",
    ("reduce", "REDUCE_SHUFFLE_BYTES"): "partitions (bytes that reduces got)",
    ("reduce", "REDUCE_INPUT_RECORDS"): "records of reduces",
}
"""The counters with a histogram, in order."""


class Histogram(NamedTuple):
    """`bars` is one SVG path. `low` and `high` are the ends of its axis."""

    title: str
    bars: str
    median_x: float
    low: str
    median: str
    high: str
    words: str


def histograms(record: HistoryRecord) -> list[Histogram]:
    """The pictures of a job: how durations and sizes are spread over its tasks."""
    spreads = {(each.kind, each.name): each for each in record.spreads if each.bins}
    found = ((key, spreads.get(key)) for key in _SHOWN)
    return [_histogram(_SHOWN[key], each) for key, each in found if each is not None]


def _histogram(title: str, spread: Spread) -> Histogram:
    bins = spread.bins
    most, width = max(bins), WIDTH / len(bins)
    bars = ""
    for number, tasks in enumerate(bins):
        if tasks:
            height = max(2.0, tasks / most * HEIGHT)
            x = number * width
            bars += f"M{x + 0.5:.1f} {HEIGHT}v-{height:.1f}h{width - 1:.1f}v{height:.1f}z"
    span = max(1, spread.maximum - spread.minimum)
    low, median, high = (
        words.counter(spread.name, n) for n in (spread.minimum, spread.median, spread.maximum)
    )
    fullest = bins.index(most)
    begin = spread.minimum + span * fullest / len(bins)
    said = (
        f"{title} of {spread.tasks:,} tasks: from {low} to {high}, median {median}; most, "
        f"{most:,} tasks, are near {words.counter(spread.name, int(begin))}"
    )
    median_x = (spread.median - spread.minimum) / span * WIDTH
    return Histogram(title, bars, median_x, low, median, high, said)


class ClusterSample(NamedTuple):
    """The cluster at one moment. Amounts are in thousandths.

    `size` is the most that agents have offered. `held` is the part of it in our Mesos tasks. `used`
    is the part of `held` that running attempts take.
    """

    at: float
    size: dict[str, int]
    held: dict[str, int]
    used: dict[str, int]


class Trend(NamedTuple):
    """One resource over time: SVG paths for the held amounts (an area) and the used ones, on an
    axis up to `most`.
    """

    name: str
    held: str
    used: str
    size: str
    most: str
    began: float
    words: str


def trends(samples: Sequence[ClusterSample]) -> list[Trend]:
    """CPUs and memory over time. Empty if there are not two samples yet."""
    if len(samples) < 2:
        return []
    return [_trend(name, samples) for name in ("cpus", "mem")]


def _trend(name: str, samples: Sequence[ClusterSample]) -> Trend:
    most = max(1, *(max(s.size.get(name, 0), s.held.get(name, 0)) for s in samples))
    began, ended = samples[0].at, samples[-1].at
    span = max(1.0, ended - began)

    def line(value: Callable[[ClusterSample], int]) -> str:
        return " ".join(
            f"{(sample.at - began) / span * TREND_WIDTH:.1f},"
            f"{TREND_HEIGHT * (1 - value(sample) / most):.1f}"
            for sample in samples
        )

    held = line(lambda sample: sample.held.get(name, 0))
    last = samples[-1]
    said = ", ".join(
        f"{words.amount(name, which.get(name, 0))} {what}"
        for what, which in (("offered", last.size), ("held", last.held), ("used", last.used))
    )
    return Trend(
        name=name,
        held=f"M0,{TREND_HEIGHT}L{held}L{TREND_WIDTH},{TREND_HEIGHT}z",
        used=f"M{line(lambda sample: sample.used.get(name, 0))}",
        size=f"M{line(lambda sample: sample.size.get(name, 0))}",
        most=words.amount(name, most),
        began=began,
        words=f"{name} over the last {words.duration(span)}; now {said}",
    )


def total(amounts: Iterable[dict[str, int]]) -> dict[str, int]:
    """The sum of amounts by resource."""
    sums: dict[str, int] = {}
    for each in amounts:
        for name, amount in each.items():
            sums[name] = sums.get(name, 0) + amount
    return sums
