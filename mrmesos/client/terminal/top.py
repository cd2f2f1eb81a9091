"""The screen of `mrmesos top`: jobs, pools and agents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mrmesos.client.terminal.printable import one_line
from mrmesos.wire.cluster import AgentView, ClusterView, PoolView
from mrmesos.wire.job import JobState, JobStatus, TaskCounts

ENDED_MAX = 5
AGENTS_MAX = 10
LINES_BESIDE_JOBS = 22
"""The lines of the screen that are not jobs: heads, pools and agents."""
BAR = 16
WIDE = 130
JOB_WIDTH = len("job_202611201130476208_0001")
MIB = 1024


def screen(
    view: ClusterView, statuses: Sequence[JobStatus], *, rows: int | None, width: int = 80
) -> RenderableType:
    """The whole screen, for a terminal of this width and `rows` lines. None means no limit."""
    live = [status for status in statuses if not status.state.ended]
    live.sort(key=lambda status: (not _running(status), status.submitted))
    ended = [status for status in statuses if status.state.ended]
    ended.sort(key=lambda status: -(status.ended or 0.0))
    most = len(live) if rows is None else max(3, rows - LINES_BESIDE_JOBS)
    shown = [*live[:most], *ended[: max(0, min(ENDED_MAX, most - len(live)))]]
    parts: list[RenderableType] = [_head(view, live), _jobs(shown, view.now, wide=width >= WIDE)]
    if (more := len(live) - most) > 0:
        parts.append(Text(f"  and {more:,} further jobs", style="dim"))
    if view.pools:
        parts.append(_pools(view.pools))
    parts.append(_agents(view))
    return Group(*parts)


def _running(status: JobStatus) -> int:
    return status.maps.running + status.reduces.running


def _head(view: ClusterView, live: Iterable[JobStatus]) -> Text:
    slots = sum(agent.slots for agent in view.agents)
    busy = sum(agent.busy for agent in view.agents)
    cpus = sum(agent.held.get("cpus", 0) for agent in view.agents) / 1000
    of = sum(agent.size.get("cpus", 0) for agent in view.agents) / 1000
    waiting = sum(status.maps.pending + status.reduces.pending for status in live)
    text = Text.assemble(
        ("mrmesos ", "bold"),
        f"{len(view.agents):,} agents, {busy:,} of {slots:,} slots busy, {cpus:g} of {of:g} cpus "
        f"held, {waiting:,} tasks wait",
    )
    if not view.connected:
        text.append("  no Mesos master answers", style="bold red")
    return text


def _table(*columns: str, first: int = 0) -> Table:
    """A table with these heads; `>` before one: its column is aligned to the right. The first
    column is never narrower than `first`.
    """
    table = Table(box=None, pad_edge=False, expand=True, header_style="dim")
    for number, name in enumerate(columns):
        table.add_column(
            name.lstrip(">"),
            justify="right" if name.startswith(">") else "left",
            no_wrap=True,
            overflow="ellipsis",
            min_width=first if not number else None,
        )
    return table


def _jobs(shown: Iterable[JobStatus], now: float, *, wide: bool) -> RenderableType:
    """The jobs. Beside the name, a terminal that is not `wide` has room for the main columns."""
    more = (">maps", ">reduces", ">failed", ">age") if wide else ()
    table = _table("job", "state", ">progress", ">run", *more, "name", first=JOB_WIDTH)
    table.columns[-1].ratio = 1
    for status in shown:
        failed = status.maps.failed_attempts + status.reduces.failed_attempts
        end = status.ended if status.ended is not None else now
        says = status.error.message if status.error is not None else status.waiting
        name = Text(one_line(status.name))
        if says:
            name.append(f"  {one_line(says)}", style="red" if status.error else "yellow")
        part = _progress(status)
        figures: tuple[RenderableType, ...] = (
            _of(status.maps),
            _of(status.reduces),
            Text(f"{failed:,}", style="red" if failed else ""),
            _age(end - status.submitted),
        )
        table.add_row(
            status.job_id,
            Text(status.state.value.lower(), style=_style(status)),
            _bar(part) if wide else f"{int(part * 100)} %",
            f"{_running(status):,}",
            *(figures if wide else ()),
            name,
        )
    if not table.row_count:
        return Text("no job in progress", style="dim")
    return table


def _style(status: JobStatus) -> str:
    if status.state is JobState.FAILED:
        return "red"
    return "green" if status.state is JobState.SUCCEEDED else ""


def _progress(status: JobStatus) -> float:
    tasks = status.maps.total + status.reduces.total
    done = status.maps.progress * status.maps.total + status.reduces.progress * status.reduces.total
    return done / tasks if tasks else 0.0


def _bar(part: float) -> str:
    full = int(part * BAR)
    return "█" * full + "·" * (BAR - full) + f" {int(part * 100):3d} %"


def _of(counts: TaskCounts) -> str:
    return f"{counts.succeeded:,}/{counts.total:,}" if counts.total else ""


def _age(seconds: float) -> str:
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _pools(pools: Iterable[PoolView]) -> Table:
    table = _table("pool", ">weight", ">min", ">cpus", ">jobs", ">run", ">wait")
    for pool in pools:
        table.add_row(
            one_line(pool.name),
            f"{pool.weight / 1000:g}",
            f"{pool.least / 1000:g}",
            f"{pool.cpus / 1000:g}",
            f"{pool.jobs:,}",
            f"{pool.running:,}",
            f"{pool.waiting:,}",
        )
    return table


def _agents(view: ClusterView) -> RenderableType:
    agents = sorted(view.agents, key=lambda agent: (not agent.avoided, -agent.busy, agent.hostname))
    if not agents:
        return Text("no agent has made an offer yet", style="dim")
    table = _table("agent", ">busy", ">slots", ">cpus", ">of", ">mem", ">of", "state")
    for agent in agents[:AGENTS_MAX]:
        table.add_row(
            one_line(agent.hostname),
            f"{agent.busy:,}",
            f"{agent.slots:,}",
            f"{agent.held.get('cpus', 0) / 1000:g}",
            f"{agent.size.get('cpus', 0) / 1000:g}",
            _mem(agent.held.get("mem", 0)),
            _mem(agent.size.get("mem", 0)),
            _state(agent),
        )
    if (more := len(agents) - AGENTS_MAX) > 0:
        table.add_row(Text(f"and {more:,} further agents", style="dim"))
    return table


def _mem(thousandths: int) -> str:
    return f"{thousandths / 1000 / MIB:.1f} GiB"


def _state(agent: AgentView) -> Text:
    if agent.avoided:
        return Text(f"avoided: {one_line(agent.avoided)}", style="yellow")
    return Text(agent.tracker.lower() or "no TaskTracker", style="" if agent.tracker else "dim")
