"""The fetcher against HTTP servers that behave like a TaskTracker, or worse."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mrmesos.access.signing import AUTHORIZATION, REPLY, Verifier
from mrmesos.task.shuffle.fetch import Closed, Fetcher
from mrmesos.wire.task import MapOutput
from tests.task.shuffle.shuffle_peers import (
    Served,
    Waiting,
    attempt,
    facts,
    fetcher_for,
    outputs,
    records,
    segment_of,
    tracker,
    until,
)


def test_runs_come_in_map_order_from_several_trackers(tmp_path: Path) -> None:
    with tracker() as one, tracker() as two:
        for index in range(6):
            place = one if index % 2 else two
            place.segments[attempt(index)] = segment_of(tmp_path, [f"k{index}"], [index])
        fetcher = fetcher_for(facts(tmp_path, 6), tmp_path)
        fetcher.announce(outputs(one.url, [5, 3, 1]))
        fetcher.announce(outputs(two.url, [4, 0, 2]))
        assert records(fetcher.runs()) == [([f"k{i}"], [i]) for i in range(6)]
        # One request for all maps of a tracker.
        assert [len(asked) for asked in one.requests + two.requests] == [3, 3]
        assert fetcher.fraction() == 1.0
        assert fetcher.fetched_bytes() == sum(
            len(served.data) for place in (one, two) for served in place.segments.values()
        )


def test_an_empty_segment_is_a_run_without_rows(tmp_path: Path) -> None:
    with tracker() as one:
        one.segments[attempt(0)] = Served(b"", 0)
        fetcher = fetcher_for(facts(tmp_path, 1), tmp_path)
        fetcher.announce(outputs(one.url, [0]))
        (run,) = fetcher.runs()
        assert (run.rows, run.length) == (0, 0)


def test_segments_that_do_not_fit_in_memory_go_to_files(tmp_path: Path) -> None:
    keys = [f"{number:08d}" for number in range(120_000)]
    with tracker() as one:
        served = segment_of(tmp_path, keys, [1] * len(keys))
        assert len(served.data) > 700_000
        for index in range(4):
            one.segments[attempt(index)] = served
        fetcher = fetcher_for(facts(tmp_path, 4, reduce_shuffle_buffer_mb=1), tmp_path)
        fetcher.announce(outputs(one.url, range(4)))
        runs = fetcher.runs()
        on_disk = sum(path.stat().st_size for path in (tmp_path / "work").iterdir())
        assert on_disk == 3 * len(served.data)
        for run in runs:
            assert sum(batch.num_rows for batch in run.open()) == len(keys)


@pytest.mark.parametrize("flaw", ["503", "cut", "flip"])
def test_transient_trouble_is_tried_again(tmp_path: Path, flaw: str) -> None:
    with tracker() as one:
        for index in range(3):
            one.segments[attempt(index)] = segment_of(tmp_path, ["k"], [index])
        one.segments[attempt(1)].flaws = [flaw, flaw]
        fetcher = fetcher_for(facts(tmp_path, 3), tmp_path)
        fetcher.announce(outputs(one.url, range(3)))
        assert records(fetcher.runs()) == [(["k"], [i]) for i in range(3)]
        assert fetcher.fetch_failed() == ()
        assert len(one.requests) == 3
        if flaw != "503":  # segments that arrived before the flaw are not fetched twice
            assert attempt(0) not in one.requests[1]


@pytest.mark.parametrize("flaw", ["flip", "cut", "rows", "length"])
def test_damaged_output_does_not_keep_the_others_back(tmp_path: Path, flaw: str) -> None:
    with tracker() as one:
        for index in range(100):
            one.segments[attempt(index)] = segment_of(tmp_path, [f"k{index}"], [index])
        for index in (0, 30, 31, 99):
            one.segments[attempt(index)].flaws = [flaw] * 1000
        fetcher = fetcher_for(facts(tmp_path, 100), tmp_path)
        waiting = Waiting(fetcher)
        fetcher.announce(outputs(one.url, range(100)))
        bad = tuple(attempt(index) for index in (0, 30, 31, 99))
        until(lambda: fetcher.fetch_failed() == bad)
        assert fetcher.fraction() == 0.96
        assert sum(map(len, one.requests)) < 1000
        with tracker() as other:
            for index in (0, 30, 31, 99):
                other.segments[attempt(index, 1)] = segment_of(tmp_path, [f"k{index}"], [index])
            fetcher.announce(outputs(other.url, (0, 30, 31, 99), 1))
            assert records(waiting.finish()) == [([f"k{i}"], [i]) for i in range(100)]


def test_a_tracker_that_trickles_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Trickling(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            signed = Verifier(lambda _job: "secret").verify(
                "POST", self.path, self.headers[AUTHORIZATION]
            )
            signed.check_body(body)
            header = {"attempt_id": attempt(0), "status": "ok", "length": 1 << 20, "rows": 1}
            self.send_response(200)
            self.send_header(REPLY, signed.reply())
            self.send_header("Content-Length", str(2 << 20))
            self.end_headers()
            self.wfile.write(json.dumps(header).encode() + b"\n")
            with suppress(OSError):
                while not over.wait(0.01):
                    self.wfile.write(b"x")

    over = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Trickling)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        conf = {"reduce_shuffle_read_timeout": "0.1", "reduce_shuffle_fetch_retries": "2"}
        fetcher = fetcher_for(facts(tmp_path, 1, **conf), tmp_path)
        waiting = Waiting(fetcher)
        fetcher.announce(outputs(f"http://127.0.0.1:{server.server_port}", [0]))
        until(lambda: fetcher.fetch_failed() == (attempt(0),))
        fetcher.close()
        waiting.join()
        assert isinstance(waiting.error, Closed)
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def test_missing_output_is_reported_and_its_replacement_awaited(tmp_path: Path) -> None:
    with tracker() as one, tracker() as two:
        one.segments[attempt(0)] = segment_of(tmp_path, ["a"], [0])
        two.segments[attempt(1, 1)] = segment_of(tmp_path, ["b"], [1])
        fetcher = fetcher_for(facts(tmp_path, 2), tmp_path)
        fetcher.announce(outputs(one.url, [0, 1]))
        waiting = Waiting(fetcher)
        until(lambda: fetcher.fetch_failed() == (attempt(1),))
        fetcher.announce([MapOutput(map_index=1, attempt_id="", url="")])
        assert fetcher.fetch_failed() == ()
        fetcher.announce(outputs(two.url, [1], number=1))
        assert records(waiting.finish()) == [(["a"], [0]), (["b"], [1])]


def test_a_tracker_that_is_gone_fails_all_its_maps(tmp_path: Path) -> None:
    with tracker() as gone:
        url = gone.url
    with tracker() as two:
        for index in range(3):
            two.segments[attempt(index, 1)] = segment_of(tmp_path, ["k"], [index])
        fetcher = fetcher_for(facts(tmp_path, 3), tmp_path)
        fetcher.announce(outputs(url, range(3)))
        waiting = Waiting(fetcher)
        until(lambda: fetcher.fetch_failed() == tuple(attempt(i) for i in range(3)))
        fetcher.announce(outputs(two.url, range(3), number=1))
        assert records(waiting.finish()) == [(["k"], [i]) for i in range(3)]
        assert fetcher.fetch_failed() == ()


def test_a_wrong_token_fails_the_maps(tmp_path: Path) -> None:
    with tracker(token="another") as one:
        fetcher = fetcher_for(facts(tmp_path, 1), tmp_path)
        fetcher.announce(outputs(one.url, [0]))
        waiting = Waiting(fetcher)
        until(lambda: fetcher.fetch_failed() == (attempt(0),))
        fetcher.close()
        waiting.finish()
        assert isinstance(waiting.error, Closed)


def test_at_most_parallelcopies_connections(tmp_path: Path) -> None:
    with tracker() as one, tracker() as two, tracker() as three:
        places = (one, two, three)
        for index in range(9):
            places[index % 3].segments[attempt(index)] = segment_of(tmp_path, ["k"], [index])
        fetcher = fetcher_for(facts(tmp_path, 9, reduce_shuffle_parallelcopies=1), tmp_path)
        for index in range(9):
            fetcher.announce(outputs(places[index % 3].url, [index]))
        assert records(fetcher.runs()) == [(["k"], [i]) for i in range(9)]
        assert all(place.most_busy == 1 for place in places)


def test_a_full_disk_fails_the_attempt_rather_than_the_map(tmp_path: Path) -> None:
    with tracker() as one:
        data = bytes(3 << 20)
        one.segments[attempt(0)] = Served(data, 1)
        fetcher = fetcher_for(facts(tmp_path, 1, reduce_shuffle_buffer_mb=1), tmp_path)
        (tmp_path / "work").rmdir()  # like a full disk, nothing can be written, even by root
        fetcher.announce(outputs(one.url, [0]))
        with pytest.raises(OSError, match="fetched-"):
            fetcher.runs()
        assert fetcher.fetch_failed() == ()


def test_fetches_come_from_the_agents_address(tmp_path: Path) -> None:
    with tracker() as one:
        one.segments[attempt(0)] = segment_of(tmp_path, ["k"], [0])
        fetcher = Fetcher(facts(tmp_path, 1), 0, tmp_path, source="127.0.0.2")
        fetcher.announce(outputs(one.url, [0]))
        assert records(fetcher.runs()) == [(["k"], [0])]
        assert one.sources == {"127.0.0.2"}
