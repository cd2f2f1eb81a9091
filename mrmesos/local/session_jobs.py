"""The display of a session's jobs in notebooks. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from mrmesos.wire.job import JobStatus

_HEADS = ("job", "name", "state", "seconds", "maps", "reduces", "records", "error")


def table(title: str, jobs: Sequence[JobStatus]) -> str:
    """The jobs as HTML, the last one first."""
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(each)}</td>" for each in _cells(status)) + "</tr>"
        for status in reversed(jobs)
    )
    head = "".join(f"<th>{each}</th>" for each in _HEADS)
    return f"<p>{escape(title)}</p><table><tr>{head}</tr>{rows}</table>"


def line(status: JobStatus) -> str:
    """One job in words."""
    return f"{status.name} {status.state.value} in {_seconds(status):.2f} s"


def _seconds(status: JobStatus) -> float:
    return (status.submitted if status.ended is None else status.ended) - status.submitted


def _cells(status: JobStatus) -> tuple[str, ...]:
    task = status.counters.get("task", {})
    records = task.get("REDUCE_OUTPUT_RECORDS", task.get("MAP_OUTPUT_RECORDS", 0))
    return (
        status.job_id,
        status.name,
        status.state.value,
        f"{_seconds(status):.2f}",
        str(status.maps.total),
        str(status.reduces.total),
        f"{records:,}",
        status.error.message if status.error is not None else "",
    )
