"""The figures of a simulation as plain data, for `--json` and for the tables.

Nothing in `figures` depends on the machine, so that equal seeds give equal bytes; `pace` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from mrmesos.simulator.meter import Ended, HeldResources
from mrmesos.simulator.world import Outcome
from mrmesos.wire.job import JobState
from mrmesos.wire.task import Locality

SIZES = ((1, 9), (10, 99), (100, 999), (1000, None))
"""Jobs by number of maps."""

Figures = dict[str, Any]


def figures(outcome: Outcome) -> Figures:
    """Locality, response times, slowdown, utilisation and counts."""
    meter, ended = outcome.meter, outcome.meter.ended
    groups = [(label(low, high), _between(ended, low, high)) for low, high in SIZES]
    frameworks = sorted({job.framework for job in ended})
    return {
        "seed": outcome.spec.seed,
        "agents": outcome.spec.cluster.agents,
        "jobs": len(ended),
        "tasks": outcome.tasks,
        "states": {s.value: n for s in JobState if (n := sum(j.state is s for j in ended))},
        "seconds": _round(outcome.seconds),
        "drained_seconds": _round(outcome.drained),
        "all": _group(ended),
        "by_maps": {name: _group(jobs) for name, jobs in groups if jobs},
        "by_framework": (
            {str(n): _group([job for job in ended if job.framework == n]) for n in frameworks}
            if len(frameworks) > 1
            else {}
        ),
        "resources": {
            name: _usage(usage, outcome.total.get(name, 0) * outcome.seconds)
            for name, usage in meter.usage.items()
        },
        "counts": {
            "offers": meter.offers,
            "offers_declined": meter.declined,
            "slots": meter.launches,
            "attempts": sum(meter.attempts_ended.values()),
            "attempts_ended": dict(sorted(meter.attempts_ended.items())),
            "trackers": meter.trackers_started,
            "agents_lost": meter.agents_lost,
            "decisions": meter.decisions,
            "core_events": dict(sorted(meter.core_events.items())),
        },
    }


def pace(outcome: Outcome) -> Figures:
    """The speed on this machine, of the core alone and of the whole simulation. All times except
    `wall_seconds` are CPU times, because others may use the machine too.
    """
    meter = outcome.meter
    core, events = sum(meter.core_seconds.values()), sum(meter.core_events.values())
    return {
        "wall_seconds": _round(outcome.wall),
        "cpu_seconds": _round(outcome.cpu),
        "core_seconds": _round(core),
        "decisions_per_core_second": round(meter.decisions / core) if core else 0,
        "core_microseconds_per_event": {
            name: round(seconds / meter.core_events[name] * 1e6, 1)
            for name, seconds in sorted(meter.core_seconds.items())
        },
        "core_seconds_by_event": {
            name: _round(seconds) for name, seconds in sorted(meter.core_seconds.items())
        },
        "core_events_per_second": round(events / outcome.cpu),
        "simulator_events_per_second": round(outcome.happened / outcome.cpu),
        "simulator_seconds": _round(outcome.cpu - core),
    }


def as_json(figures: Figures) -> bytes:
    """Indented, with a newline at the end."""
    return msgspec.json.format(msgspec.json.encode(figures), indent=2) + b"\n"


def label(low: int, high: int | None) -> str:
    """`10-99`, or `1000+`."""
    return f"{low}+" if high is None else f"{low}-{high}"


def _between(jobs: Sequence[Ended], low: int, high: int | None) -> list[Ended]:
    return [job for job in jobs if low <= job.maps and (high is None or job.maps <= high)]


def _group(jobs: Sequence[Ended]) -> Figures:
    counts = {where: sum(job.localities[where] for job in jobs) for where in Locality}
    placed = sum(counts.values())
    responses = sorted(job.ended - job.submitted for job in jobs)
    slowdowns = sorted((job.ended - job.submitted) / job.ideal for job in jobs)
    return {
        "jobs": len(jobs),
        "maps": sum(job.maps for job in jobs),
        "attempts": sum(job.attempts for job in jobs),
        "node_local": _share(counts[Locality.NODE_LOCAL], placed),
        "rack_local": _share(counts[Locality.RACK_LOCAL], placed),
        "elsewhere": _share(counts[Locality.ANY], placed),
        "response_mean": _round(sum(responses) / len(jobs)),
        "response_median": _round(quantile(responses, 0.5)),
        "response_95": _round(quantile(responses, 0.95)),
        "slowdown_median": _round(quantile(slowdowns, 0.5)),
        "slowdown_95": _round(quantile(slowdowns, 0.95)),
    }


def _usage(usage: HeldResources, capacity: float) -> Figures:
    held = usage.used + usage.starting + usage.idle + usage.trackers
    used = usage.used
    return {
        "unit_seconds_held": round(held / 1000),
        "unit_seconds_used": round(used / 1000),
        "utilisation": _share(used, capacity),
        "held": _share(held, capacity),
        "idle_of_used": _share(usage.idle, used),
        "starting_of_used": _share(usage.starting, used),
        "trackers_of_used": _share(usage.trackers, used),
        "stalled_of_used": _share(usage.stalled, used),
        "wasted_of_used": _share(usage.wasted, used),
    }


def quantile(ordered: Sequence[float], part: float) -> float:
    """The nearest rank: the smallest value that `part` of all values do not exceed."""
    rank = -(-len(ordered) * part // 1)
    return ordered[max(0, int(rank) - 1)]


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole else None


def _round(seconds: float) -> float:
    return round(seconds, 3)
