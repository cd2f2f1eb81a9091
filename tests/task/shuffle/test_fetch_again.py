"""Failed fetches are tried again as long as they are announced, and delay no other fetch."""

from __future__ import annotations

import threading
from contextlib import ExitStack, nullcontext
from functools import partial
from pathlib import Path

import pytest

from mrmesos.task.shuffle.fetch import Fetcher
from tests.task.shuffle.shuffle_peers import (
    Forever,
    Served,
    Waiting,
    attempt,
    deaf,
    facts,
    fetcher_for,
    outputs,
    records,
    segment_of,
    tracker,
    unreachable,
    until,
)


def more_than(fetcher: Fetcher, count: int) -> bool:
    return fetcher.fraction() * 24 > count


@pytest.mark.parametrize("flaw", ["503", "cut", "flip", "missing", "away", "silent"])
def test_a_failed_fetch_is_repeated_and_success_clears_the_report(
    tmp_path: Path, flaw: str, caplog: pytest.LogCaptureFixture
) -> None:
    with tracker() as one:
        served = {attempt(index): segment_of(tmp_path, ["k"], [index]) for index in range(2)}
        if flaw == "missing":
            one.segments[attempt(0)] = served[attempt(0)]
        else:
            one.segments |= served
        healed = threading.Event()
        if flaw not in ("missing", "away"):
            one.segments[attempt(1)].flaws = Forever(flaw, healed)
        conf = {"reduce_shuffle_read_timeout": "0.2" if flaw == "silent" else "30"}
        fetcher = fetcher_for(facts(tmp_path, 2, **conf), tmp_path)
        waiting = Waiting(fetcher)
        with one.away() if flaw == "away" else nullcontext():
            fetcher.announce(outputs(one.url, [0, 1]))
            until(lambda: attempt(1) in fetcher.fetch_failed())
            tried = len(caplog.records)
            until(lambda: len(caplog.records) > tried)
            assert attempt(1) in fetcher.fetch_failed()
            if flaw in ("flip", "missing"):
                until(lambda: fetcher.fetch_answered() == (attempt(1),))
            else:
                assert fetcher.fetch_answered() == ()
        one.segments |= served
        healed.set()
        assert records(waiting.finish()) == [(["k"], [0]), (["k"], [1])]
        assert fetcher.fetch_failed() == ()
        kind = {"flip": "damage:", "missing": "TaskTracker says"}.get(flaw, "network:")
        assert all(kind in record.message for record in caplog.records)


@pytest.mark.parametrize("copies", [1, 2])
def test_hosts_that_are_away_do_not_delay_the_others(tmp_path: Path, copies: int) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(deaf()) for _ in range(4)]
        one = stack.enter_context(tracker())
        for index in range(20):
            one.segments[attempt(index)] = segment_of(tmp_path, ["k"], [index])
        conf = {"reduce_shuffle_parallelcopies": str(copies), "reduce_shuffle_read_timeout": "0.2"}
        fetcher = fetcher_for(facts(tmp_path, 24, **conf), tmp_path)
        waiting = Waiting(fetcher)
        for number, url in enumerate(silent):
            fetcher.announce(outputs(url, [20 + number]))
        lost = tuple(attempt(20 + number) for number in range(4))
        until(lambda: fetcher.fetch_failed() == lost)
        for index in range(20):  # one after another; silent hosts are tried all the time
            fetcher.announce(outputs(one.url, [index]))
            until(partial(more_than, fetcher, index))
        assert fetcher.fetch_failed() == lost
        fetcher.close()
        waiting.join()


def test_a_host_that_no_connection_comes_about_to_is_soon_reported(tmp_path: Path) -> None:
    with unreachable() as url:
        conf = {"reduce_shuffle_connect_timeout": "0.1", "reduce_shuffle_read_timeout": "3600"}
        fetcher = fetcher_for(facts(tmp_path, 1, **conf), tmp_path)
        waiting = Waiting(fetcher)
        fetcher.announce(outputs(url, [0]))
        until(lambda: fetcher.fetch_failed() == (attempt(0),))
        fetcher.close()
        waiting.join()


def test_a_silent_host_is_not_waited_for_when_all_segments_are_here(tmp_path: Path) -> None:
    with deaf() as silent, tracker() as one:
        fetcher = fetcher_for(facts(tmp_path, 1, reduce_shuffle_read_timeout=3600), tmp_path)
        waiting = Waiting(fetcher)
        fetcher.announce(outputs(silent, [0]))
        one.segments[attempt(0, 1)] = segment_of(tmp_path, ["k"], [0])
        fetcher.announce(outputs(one.url, [0], number=1))
        assert records(waiting.finish()) == [(["k"], [0])]


def test_repeatedly_damaged_segments_leave_nothing_on_disk(tmp_path: Path) -> None:
    with tracker() as one:
        one.segments[attempt(0)] = Served(bytes(2 << 20), 1, Forever("flip"))
        fetcher = fetcher_for(facts(tmp_path, 1, reduce_shuffle_buffer_mb=1), tmp_path)
        waiting = Waiting(fetcher)
        fetcher.announce(outputs(one.url, [0]))
        until(lambda: len(one.requests) > 5)
        fetcher.close()
        waiting.join()
        # A fetch that was under way at the close is undone by its own thread.
        until(lambda: sum(path.stat().st_size for path in (tmp_path / "work").iterdir()) == 0)
