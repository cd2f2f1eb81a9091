"""The screen of `mrmesos top`."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

from rich.console import Console

from mrmesos.client.terminal.top import screen
from mrmesos.jobtracker.core.state import queries
from tests.jobtracker.pages.world import World


def shown(world: World, *, rows: int | None = None, width: int = 160) -> str:
    world.source._snapshots.clear()
    view = asyncio.run(world.source.cluster())
    assert view is not None
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(screen(view, queries.job_statuses(world.hands.core.st), rows=rows, width=width))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_jobs_pools_and_agents_are_shown(tmp_path: Path) -> None:
    world = World(tmp_path, agents=12)
    assert "no job in progress" in shown(world)
    running = world.submit("visits", "ada", 200, job_pool="etl")
    large = world.submit("large", "ada", 2, map_memory_mb="999999", job_pool="adhoc")
    world.run(9, lambda _name: 2.0)
    text = shown(world)
    assert "12 agents" in text
    lines = text.splitlines()
    assert next(n for n, line in enumerate(lines) if running in line) < next(
        n for n, line in enumerate(lines) if large in line
    )
    for words in ("etl", "adhoc", "node-01.example", "and 2 further agents", "the largest offer"):
        assert words in text, words


def test_a_small_terminal_gets_fewer_jobs(tmp_path: Path) -> None:
    world = World(tmp_path, agents=2)
    for number in range(30):
        world.submit(f"job {number}", "ada", 1)
    assert "and 20 further jobs" in shown(world, rows=32)
    narrow = shown(world, width=80).splitlines()
    assert max(map(len, narrow)) <= 80
    [line] = [line for line in narrow if line.rstrip().endswith("job 29")]
    assert line.split()[1:] == ["running", "0", "%", "0", "job", "29"]


def test_what_users_write_does_not_reach_the_terminal_raw(tmp_path: Path) -> None:
    world = World(tmp_path, agents=1)
    world.submit("\x1b[2J [bold]x[/bold]", "ada", 1)
    text = shown(world)
    assert "\x1b" not in text
    assert "[bold]x[/bold]" in text
