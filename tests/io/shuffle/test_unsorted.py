from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.conf import Conf
from mrmesos.io.columns.encode import decode_batch, encode_pairs
from mrmesos.io.shuffle.index import MapOutputIndex
from mrmesos.io.shuffle.segments import CorruptSegmentError, read_segment
from mrmesos.io.shuffle.sortbuffer import DATA_NAME, INDEX_NAME, MapOutputFiles
from mrmesos.io.shuffle.unsorted import UnsortedWriter

RUNS = st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), max_size=20), max_size=4)


def written(
    directory: Path, runs: Sequence[Sequence[tuple[object, int]]], partitions: int
) -> MapOutputFiles:
    writer = UnsortedWriter(directory, partitions, conf=Conf({}))
    for run in runs:
        batch = encode_pairs([key for key, _ in run], [None] * len(run))
        parts = np.array([part for _, part in run], np.int32)
        writer.write_run([(batch.slice(0, 3), parts[:3]), (batch.slice(3), parts[3:])])
    return writer.finish()


@given(runs=RUNS)
def test_every_partition_has_its_records_in_their_order(runs: list[list[tuple[int, int]]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        output = written(Path(name), runs, 4)
        assert MapOutputIndex.read(output.index_path) == output.index
        assert {path.name for path in Path(name).iterdir()} == {DATA_NAME, INDEX_NAME}
        assert output.counters == {"SPILLED_RECORDS": sum(map(len, runs))}
        for number, segment in enumerate(output.index.segments):
            found = [
                key
                for batch in read_segment(output.data_path, segment)
                for key in decode_batch(batch)[0]
            ]
            assert found == [key for run in runs for key, part in run if part == number]
            assert segment.rows == len(found)


def test_runs_of_different_types_are_joined(tmp_path: Path) -> None:
    output = written(tmp_path, [[("a", 0)], [(1.5, 0)]], 1)
    batches = list(read_segment(output.data_path, output.index.segments[0]))
    assert [decode_batch(batch)[0] for batch in batches] == [["a"], [1.5]]


def test_a_run_that_is_cut_short_is_found_out_and_nothing_is_left(tmp_path: Path) -> None:
    writer = UnsortedWriter(tmp_path, 1, conf=Conf({}))
    for _ in range(2):
        writer.write_run([(encode_pairs(["a"], [1]), np.zeros(1, np.int32))])
    damaged = min(tmp_path.iterdir())
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(CorruptSegmentError, match="cut short by 1 bytes"):
        writer.finish()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("which", [0, 1])
def test_no_flipped_byte_and_no_cut_of_a_run_gets_past_the_join(tmp_path: Path, which: int) -> None:
    """The joined segment gets a new checksum, which would hide damage of a run."""

    def runs() -> tuple[UnsortedWriter, Path]:
        writer = UnsortedWriter(tmp_path, 2, conf=Conf({}))
        for number in range(2):
            keys = [f"key {number} {each}" for each in range(10)]
            batch = encode_pairs(keys, list(range(10)))
            writer.write_run([(batch, np.repeat(np.array([0, 1], np.int32), 5))])
        return writer, sorted(tmp_path.iterdir())[which]

    writer, path = runs()
    whole = path.read_bytes()
    writer.abort()
    for place in range(0, len(whole), 11):
        writer, path = runs()
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(CorruptSegmentError, match=f"{path.name}: checksum"):
            writer.finish()
        assert list(tmp_path.iterdir()) == []
    for length in range(0, len(whole), 11):
        writer, path = runs()
        path.write_bytes(whole[:length])
        with pytest.raises(CorruptSegmentError, match=path.name):
            writer.finish()
