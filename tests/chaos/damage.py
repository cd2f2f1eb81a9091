"""Flips bits in the data of a chaos run: in map outputs, and in the JobTracker's files.

The JobTracker's files are damaged while no JobTracker runs. The next one notices it. It continues
without the lost part, or fails a job and says why, or refuses to start. If it refuses, its
directory is restored from a copy made before the damage, as docs/recovery.md advises.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from mrmesos.io.shuffle.index import (
    INDEX_FILE,
    OUTPUT_FILE,
    CorruptIndexError,
    MapOutputIndex,
    Segment,
)
from mrmesos.testing import files
from mrmesos.testing.faults import recent
from tests.chaos.cluster import Cluster

LOST = "could not bring this job back from its journal"
"""Part of the error of a job that fails because of damage."""
REFUSED_EXIT = 2
WAY_OUT = "restore the directory"


def flip_two_segments(directory: Path, rng: random.Random) -> str:
    """Flip one bit in each of two map outputs of one job that reduces may still read.

    They are for different reduces and, if possible, on different hosts. Returns what was done, or
    an empty string.
    """
    outputs = [
        Path(place) / OUTPUT_FILE
        for place, _, names in os.walk(directory / "mesos")
        if OUTPUT_FILE in names and INDEX_FILE in names
    ]
    found = sorted(path for path in outputs if recent(path))
    if not found:
        return ""
    one = rng.choice(found)
    job = one.parent.name.rpartition("_m_")[0]
    others = [path for path in found if path != one and path.parent.name.startswith(f"{job}_m_")]
    elsewhere = [path for path in others if _agent(path) != _agent(one)]
    if not others:
        return ""
    two = rng.choice(elsewhere or others)
    try:
        segments = [_segments(path) for path in (one, two)]
        partitions = [rng.choice(sorted(each)) for each in segments]
        if partitions[0] == partitions[1]:
            partitions[1] = rng.choice([each for each in segments[1] if each != partitions[0]])
        done = [
            f"{path.parent.name} for reduce {partition}: "
            + files.flip(path, rng, kept[partition].offset, kept[partition].length)
            for path, partition, kept in zip((one, two), partitions, segments, strict=True)
        ]
    except (
        OSError,
        CorruptIndexError,
        IndexError,
    ):  # its owner has removed it, or it is already damaged
        return ""
    return "; ".join(done)


def _segments(path: Path) -> dict[int, Segment]:
    index = MapOutputIndex.read(path.with_name(INDEX_FILE))
    return {number: each for number, each in enumerate(index.segments) if each.length}


def _agent(path: Path) -> str:
    parts = path.parts
    return parts[parts.index("slaves") + 1]


class StateDamage:
    """Damages the JobTracker's state directory."""

    def __init__(self, cluster: Cluster, rng: random.Random, say: Callable[[str], None]) -> None:
        self._cluster, self._rng, self._say = cluster, rng, say
        self.refused = 0

    def flip_journal(self) -> str:
        """Flip one bit in one of the journal's files."""
        return self._while_down("journal.*")

    def flip_code(self) -> str:
        """Flip one bit in the code of a job."""
        return self._while_down("code/*")

    def _while_down(self, pattern: str) -> str:
        cluster, state = self._cluster, self._cluster.directory / "state"
        copy = cluster.directory / "state-copy"
        cluster.end_jobtracker()
        shutil.copytree(state, copy)
        candidates = sorted(path for path in state.glob(pattern) if path.is_file())
        path = self._rng.choice(candidates) if candidates else None
        done = files.flip(path, self._rng) if path is not None else ""
        if not cluster.try_jobtracker():
            assert cluster.jobtracker is not None
            log = cluster.log_tail()
            assert cluster.jobtracker.returncode == REFUSED_EXIT, log
            assert WAY_OUT in log, log
            self.refused += 1
            shutil.rmtree(state)
            copy.rename(state)
            cluster.start_jobtracker()
            return f"{path}: {done}; refused, and restored"
        shutil.rmtree(copy)
        return f"{path}: {done}" if done else ""
