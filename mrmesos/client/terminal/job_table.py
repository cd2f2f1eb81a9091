"""The rows of `mrmesos job list`."""

from __future__ import annotations

import time

from mrmesos.wire.chain import ChainStatus
from mrmesos.wire.job import JobStatus


def job_row(status: JobStatus) -> tuple[str, ...]:
    """A job: id, state, user, maps, reduces, when it was submitted, name."""
    return (
        status.job_id,
        status.state.value,
        status.user,
        f"{status.maps.succeeded}/{status.maps.total}",
        f"{status.reduces.succeeded}/{status.reduces.total}",
        moment(status.submitted),
        status.name,
    )


def chain_rows(status: ChainStatus) -> list[tuple[str, ...]]:
    """A chain, and below it its steps with their jobs."""
    head = (status.chain_id, status.state.value, status.user, "", "")
    rows: list[tuple[str, ...]] = [(*head, moment(status.submitted), status.name)]
    for step in status.steps:
        if step.job is not None:
            row = job_row(step.job)
            rows.append((f"  {row[0]}", step.state.value, *row[2:]))
        else:
            name = f"{status.name}/{step.name}"
            rows.append(
                (f"  {step.job_id or '-'}", step.state.value, status.user, "", "", "", name)
            )
    return rows


def moment(seconds: float) -> str:
    """A time of day with its date, on this host's clock."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
