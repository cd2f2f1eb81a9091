"""The differences between two runs of a job: settings, durations, counters."""

from __future__ import annotations

from typing import NamedTuple

from mrmesos.api.context import Counters
from mrmesos.jobtracker.history.record import HistoryRecord, settings_of
from mrmesos.jobtracker.history.spread import Spread


class Difference(NamedTuple):
    """One thing that differs. `before` and `after` are None where a run does not have it."""

    what: str
    name: str
    before: float | str | None
    after: float | str | None

    @property
    def ratio(self) -> float | None:
        """`after` divided by `before`, if both are numbers and `before` is not 0."""
        if isinstance(self.before, str) or isinstance(self.after, str):
            return None
        if not self.before or self.after is None:
            return None
        return self.after / self.before


def differences(before: HistoryRecord, after: HistoryRecord) -> list[Difference]:
    """All that differs: facts and settings first, then durations, then counters."""
    found = [
        *_texts("job", _facts(before), _facts(after)),
        *_texts("setting", _settings(before), _settings(after)),
        *_numbers("seconds", _seconds(before), _seconds(after)),
        *_numbers("counter", _totals(before), _totals(after)),
        *_numbers("per task", _per_task(before), _per_task(after)),
    ]
    return [one for one in found if one.before != one.after]


def _texts(what: str, before: dict[str, str], after: dict[str, str]) -> list[Difference]:
    names = dict.fromkeys([*before, *after])
    return [Difference(what, name, before.get(name), after.get(name)) for name in names]


def _numbers(what: str, before: dict[str, float], after: dict[str, float]) -> list[Difference]:
    names = dict.fromkeys([*before, *after])
    return [Difference(what, name, before.get(name), after.get(name)) for name in names]


def _facts(record: HistoryRecord) -> dict[str, str]:
    status, spec = record.report.status, record.spec
    facts = {"name": status.name, "user": status.user, "state": status.state.value}
    if status.error is not None:
        facts["error"] = status.error.message
    if spec is not None:
        facts |= {"inputs": ", ".join(spec.inputs), "code": spec.code[:12], "python": spec.python}
    return facts


def _settings(record: HistoryRecord) -> dict[str, str]:
    if record.spec is None:
        return {}
    return {row.name: row.value for row in settings_of(record.spec)}


def _seconds(record: HistoryRecord) -> dict[str, float]:
    status = record.report.status
    times: dict[str, float] = {}
    if status.ended is not None:
        times["submitted to ended"] = round(status.ended - status.submitted, 3)
    if status.started is not None:
        times["submitted to started"] = round(status.started - status.submitted, 3)
    return times


def _totals(record: HistoryRecord) -> dict[str, float]:
    counters: Counters = record.report.status.counters
    return {f"{group}: {name}": n for group in counters for name, n in counters[group].items()}


def _per_task(record: HistoryRecord) -> dict[str, float]:
    rows: dict[str, float] = {}
    for each in record.spreads:
        rows |= _of_spread(each)
    return rows


def _of_spread(each: Spread) -> dict[str, float]:
    name = f"{each.kind} {each.group}: {each.name}"
    return {f"{name}, median": each.median, f"{name}, maximum": each.maximum}
