"""Two bits flip in outputs of one job, for different reduces."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from mrmesos.io.shuffle.index import INDEX_FILE, OUTPUT_FILE, MapOutputIndex, Segment
from tests.chaos.damage import flip_two_segments

LENGTH = 100


def output(directory: Path, agent: str, name: str) -> Path:
    place = directory / "mesos" / "slaves" / agent / "attempts" / name
    place.mkdir(parents=True)
    (place / OUTPUT_FILE).write_bytes(bytes(3 * LENGTH))
    segments = [Segment(number * LENGTH, LENGTH, 1, 0) for number in range(3)]
    MapOutputIndex(segments).write(place / INDEX_FILE)
    return place / OUTPUT_FILE


@pytest.mark.parametrize("seed", range(20))
def test_two_segments_of_one_job_for_different_reduces(tmp_path: Path, seed: int) -> None:
    paths = [
        output(tmp_path, f"S{agent}", f"attempt_1_000{job}_m_00000{agent}_0")
        for agent in range(2)
        for job in range(2)
    ]
    assert flip_two_segments(tmp_path, random.Random(seed))
    flipped = {
        path: [at // LENGTH for at, byte in enumerate(path.read_bytes()) if byte] for path in paths
    }
    hit = {path: places[0] for path, places in flipped.items() if places}
    assert len(hit) == 2
    assert len(set(hit.values())) == 2
    assert len({path.parent.name.partition("_m_")[0] for path in hit}) == 1


def test_one_output_alone_is_left(tmp_path: Path) -> None:
    path = output(tmp_path, "S0", "attempt_1_0001_m_000000_0")
    assert not flip_two_segments(tmp_path, random.Random(1))
    assert not any(path.read_bytes())
