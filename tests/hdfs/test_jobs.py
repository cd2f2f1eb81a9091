"""Jobs from and to a real HDFS, by agents named like its DataNodes."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from tests.hdfs.cluster import ROOT, Cluster, counts, parts, write
from tests.hdfs.hadoop import BLOCK_SIZE, DEADLINE, Hdfs, wait_until

WORDS = [f"word{number}" for number in range(5000)]
BLOCKS = 12


@pytest.fixture(scope="module")
def text(hdfs: Hdfs) -> bytes:
    """The text in /jobs/text: one file of 12 blocks, and 30 small ones."""
    chosen = random.Random(6)
    lines = []
    size = 0
    while size < (BLOCKS - 1) * BLOCK_SIZE + BLOCK_SIZE // 2:
        lines.append(" ".join(chosen.choices(WORDS, k=20)))
        size += len(lines[-1]) + 1
    large = "\n".join([*lines, ""]).encode()
    write(f"{hdfs.uri}/jobs/text/large", large)
    small = [" ".join(chosen.choices(WORDS, k=5000)).encode() + b"\n" for _ in range(30)]
    for number, data in enumerate(small):
        write(f"{hdfs.uri}/jobs/text/small-{number:02}", data)
    return large + b"".join(small)


def test_word_count_runs_where_the_blocks_are(cluster: Cluster, hdfs: Hdfs, text: bytes) -> None:
    script = ROOT / "examples/wordcount/wordcount.py"
    # A machine that is busy with other things takes longer than a second for a map of one block.
    settings = ("-D", "job.maps=14", "-D", "job.reduces=3", "-D", "locality.wait.node=10")
    attempts = cluster.finish(cluster.submit(script, "/jobs/text", "/jobs/counts", *settings))
    assert counts(f"{hdfs.uri}/jobs/counts") == Counter(text.decode().split())
    maps = [row for row in attempts if row["kind"] == "map"]
    assert len(maps) >= BLOCKS
    local = [row for row in maps if row["locality"] == "NODE_LOCAL"]
    assert len(local) >= 0.95 * len(maps), Counter(row["locality"] for row in maps)
    assert len({row["agent"] for row in maps}) == 3


def test_sort_gives_all_lines_in_order(cluster: Cluster, hdfs: Hdfs, text: bytes) -> None:
    script = ROOT / "examples/terasort/terasort.py"
    settings = ("-D", "job.maps=14", "-D", "job.reduces=2", "-D", "io.sort.mb=32")
    cluster.finish(cluster.submit(script, "/jobs/text", "/jobs/sorted", *settings))
    found = parts(f"{hdfs.uri}/jobs/sorted")
    assert len(found) == 2
    assert b"".join(found).splitlines() == sorted(text.splitlines())


SLOW = """
import time
from pathlib import Path
from mrmesos.api import Job, Mapper, Reducer

class Tokenize(Mapper):
    def setup(self):
        here = Path(self.context.params["here"])
        (here / f"started-{self.context.facts.attempt_id}").touch()
        self.after = here / "killed"
        self.seen = 0

    def map(self, key, line):
        self.seen += 1
        if self.seen == 100:        # in the middle of a block
            end = time.monotonic() + 60
            while not self.after.exists() and time.monotonic() < end:
                time.sleep(0.05)
        for word in line.split():
            yield word, 1

class Total(Reducer):
    def reduce(self, word, counts):
        yield word, sum(counts)

class WordCount(Job):
    mapper, combiner, reducer = Tokenize, Total, Total
"""


def test_a_datanode_that_dies_changes_nothing(
    cluster: Cluster, hdfs: Hdfs, text: bytes, tmp_path: Path
) -> None:
    script = tmp_path / "slow.py"
    script.write_text(SLOW)
    settings = ("-D", "job.maps=14", "-D", "job.reduces=3", "-D", f"here={tmp_path}")
    job = cluster.submit(script, "/jobs/text", "/jobs/survived", *settings)
    wait_until(
        lambda: len(list(tmp_path.glob("started-*_m_*"))) >= 3 or job.poll() is not None,
        DEADLINE,
        lambda: "no maps ran",
    )
    assert job.poll() is None
    hdfs.kill_datanode(1)
    try:
        (tmp_path / "killed").touch()
        cluster.finish(job)
        assert counts(f"{hdfs.uri}/jobs/survived") == Counter(text.decode().split())
    finally:
        hdfs.start_datanode(1)
        hdfs.wait_ready()
