"""Damage at every place of map output, on disk and in transit, is detected or has no effect."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

from mrmesos.api import Job, Mapper
from mrmesos.io.shuffle.index import INDEX_FILE, OUTPUT_FILE
from mrmesos.io.shuffle.segments import CorruptSegmentError
from mrmesos.task.map_task import run_map
from mrmesos.task.shuffle.fetch import Closed, Fetcher
from mrmesos.wire.task import MapOutput
from tests.task.shuffle.shuffle_peers import (
    SOON,
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
from tests.tasktracker import harness, support
from tests.tasktracker.outputs.test_shuffle_server import Served, play

Records = list[tuple[list[object], list[object]]]


def flipped(whole: bytes, places: Iterable[int]) -> Iterator[bytes]:
    for place in places:
        yield whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :]


def test_any_flipped_byte_and_any_cut_of_an_answer(tmp_path: Path) -> None:
    with tracker() as one:
        for index in range(2):
            one.segments[attempt(index)] = segment_of(tmp_path, [f"key {index}"] * 3, [1, 2, 3])
        expected = [([f"key {index}"] * 3, [1, 2, 3]) for index in range(2)]
        answers: list[bytes] = []

        def once(body: bytes) -> bytes:
            answers.append(body)
            return body

        one.spoil = once
        assert fetched(tmp_path, one.url) == expected
        [answer] = answers
        found = []
        places = [*range(answer.index(b"\n") + 1), *range(0, len(answer), 13)]
        for damaged in [*flipped(answer, places), *(answer[:i] for i in range(0, len(answer), 13))]:
            one.spoil = partial(instead, damaged)
            found.append(fetched(tmp_path, one.url))
        assert all(each in (expected, None) for each in found)
        assert found.count(None) > 0.9 * len(found)  # to flip a quote of a name does no harm


def instead(damaged: bytes, _body: bytes) -> bytes:
    return damaged


def fetched(tmp_path: Path, url: str) -> Records | None:
    """The records that a reduce gets; None if it detects damage."""
    fetcher = fetcher_for(facts(tmp_path, 2), tmp_path)
    waiting = Waiting(fetcher)
    fetcher.announce(outputs(url, range(2)))
    until(lambda: not waiting.alive or bool(fetcher.fetch_failed()))
    fetcher.close()
    waiting.join()
    if waiting.error is not None:
        assert isinstance(waiting.error, Closed)
        return None
    try:
        return records(waiting.runs)
    except CorruptSegmentError:
        return None


def test_damage_of_a_file_that_a_reduce_reads_itself(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        served.add_map(0, (5, 70_000, 70_000))
        output = MapOutput(
            map_index=0, attempt_id=support.map_attempt(0).attempt_id, url=served.url
        )
        path = served.jobs.attempt_dir(output.attempt_id) / OUTPUT_FILE
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))  # of partition 2

        def answered(partition: int) -> tuple[str, ...]:
            job = support.facts(maps=1)
            fetcher = Fetcher(job, partition, tmp_path, backoff=SOON, tracker_url=served.url)
            waiting = Waiting(fetcher)
            fetcher.announce([output])
            until(lambda: not waiting.alive or bool(fetcher.fetch_failed()))
            fetcher.close()
            waiting.join()
            return fetcher.fetch_answered()

        assert await asyncio.to_thread(answered, 1) == ()
        assert await asyncio.to_thread(answered, 2) == (output.attempt_id,)
        assert served.server.served.bytes < 10_000  # it sent only the headers

    play(tmp_path / "agent", scenario)


class Words(Mapper):
    def map(self, key: int, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            yield word, key


class WordJob(Job):
    mapper = Words


def test_any_damage_of_files_that_are_served(tmp_path: Path) -> None:
    source, work = tmp_path / "input", tmp_path / "work"
    source.write_text("".join(f"some words {n * n % 97}\n" for n in range(300)))
    work.mkdir()
    made = harness.facts_for(WordJob, tmp_path / "out", num_reducers=3)
    run_map(harness.map_attempt(source), made, WordJob(), work)
    files = {name: (work / name).read_bytes() for name in (OUTPUT_FILE, INDEX_FILE)}

    async def scenario(served: Served) -> None:
        numbers = count()

        async def damaged(file: str, data: bytes) -> list[Records | None]:
            number = next(numbers)
            served.add_map(number)
            name = support.map_attempt(number).attempt_id
            for each, whole in files.items():
                path = served.jobs.attempt_dir(name) / each
                path.write_bytes(data if each == file else whole)
            return [
                await asyncio.to_thread(from_server, served.url, name, partition)
                for partition in range(3)
            ]

        def from_server(url: str, name: str, partition: int) -> Records | None:
            job = support.facts(maps=1, conf={"reduce.shuffle.fetch.retries": "2"})
            fetcher = Fetcher(job, partition, tmp_path, backoff=SOON)
            waiting = Waiting(fetcher)
            fetcher.announce([MapOutput(map_index=0, attempt_id=name, url=url)])
            until(lambda: not waiting.alive or bool(fetcher.fetch_failed()))
            fetcher.close()
            waiting.join()
            return None if waiting.error is not None else records(waiting.runs)

        expected = await damaged("", b"")
        assert None not in expected
        for file, step in ((OUTPUT_FILE, 97), (INDEX_FILE, 3)):
            whole = files[file]
            cuts = [whole[:length] for length in range(0, len(whole), 5 * step)]
            for data in [*flipped(whole, range(0, len(whole), step)), *cuts]:
                found = await damaged(file, data)
                assert all(a in (b, None) for a, b in zip(found, expected, strict=True))
                if file == OUTPUT_FILE:
                    assert None in found

    play(tmp_path / "agent", scenario)
