"""Data of awkward shapes, with real processes: a job stays within its memory, or says why not.

A worker that uses more than `map.memory.mb` or `reduce.memory.mb` is killed, so a job that succeeds
has stayed within them. The sizes are chosen for a few seconds; docs/performance.md has real sizes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

DEADLINE = 240.0
JOBS = '''
from mrmesos.api import Job, Mapper, Reducer, TextInput

class Words(Mapper):
    def map(self, key, line):
        for word in line.split():
            yield word, 1

class Total(Reducer):
    def reduce(self, word, counts):
        yield word, sum(counts)

class WordCount(Job):
    mapper, combiner, reducer = Words, Total, Total

class Pair(Mapper):
    def map(self, key, line):
        yield line[:1], line

class Number(Reducer):
    def reduce(self, key, values):
        yield key, sum(1 for _ in values)

class Numbers(Job):
    """No combiner: every value goes to the reducer."""
    mapper, reducer = Pair, Number

class Length(Mapper):
    def map(self, key, line):
        yield key, len(line)

class Lengths(Job):
    mapper, reducer = Length, Total

class ShortLengths(Lengths):
    input_format = TextInput(max_line_bytes=1_000_000)
'''


class Run:
    """A job in its own directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "jobs.py").write_text(JOBS)
        (directory / "in").mkdir()

    def submit(self, job: str, **settings: object) -> subprocess.CompletedProcess[str]:
        """Run it over all files in `in`. Underscores in the names of settings mean dots."""
        pairs = [f"-D{name.replace('_', '.')}={value}" for name, value in settings.items()]
        files = ("--input", "in", "--output", "out", "--report", "report.json")
        return subprocess.run(
            [sys.executable, "-m", "mrmesos", "submit", f"jobs.py:{job}", *files, *pairs],
            cwd=self.directory,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )

    def output(self, job: str, **settings: object) -> dict[str, int]:
        """Run the job, which must succeed, and return its output."""
        done = self.submit(job, **settings)
        assert done.returncode == 0, done.stderr
        found = {}
        for part in (self.directory / "out").glob("part-*"):
            for line in part.read_text().splitlines():
                key, number = line.split("\t")
                assert key not in found
                found[key] = int(number)
        return found

    def report(self) -> Any:
        """The contents of --report."""
        return json.loads((self.directory / "report.json").read_text())


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_one_key_has_more_values_than_memory_holds(run: Run) -> None:
    lines = 3_000_000
    with (run.directory / "in" / "a").open("wb") as file:
        for _ in range(30):
            file.write((b"k" + b"x" * 98 + b"\n") * (lines // 30))
    memory = {"map_memory_mb": 320, "reduce_memory_mb": 256}
    assert run.output("Numbers", io_sort_mb=16, **memory) == {"k": lines}
    assert {row["state"] for row in run.report()["attempts"]} == {"SUCCEEDED"}


def test_thousands_of_tiny_files_are_a_few_maps(run: Run) -> None:
    files = 5_000
    for number in range(files):
        (run.directory / "in" / f"f{number:05d}").write_text(f"file {number % 7}")
    wanted = Counter(word for number in range(files) for word in ("file", str(number % 7)))
    assert run.output("WordCount") == wanted
    assert run.report()["maps"]["total"] == 2


def test_a_long_line_passes_where_memory_holds_it(run: Run) -> None:
    (run.directory / "in" / "a").write_bytes(b"x" * 100_000_000 + b"\nshort\n")
    wanted = {"0": 100_000_000, "100000001": 5}
    assert run.output("Lengths", split_maxsize=10_000_000, map_memory_mb=512) == wanted


def test_a_line_too_long_for_memory_is_refused_in_words(run: Run) -> None:
    (run.directory / "in" / "a").write_bytes(b"x" * 400_000_000 + b"\n")
    failed = run.submit("Lengths", map_memory_mb=256, map_maxattempts=1)
    assert failed.returncode == 1
    assert "over its limit of 256 MiB while reading " in failed.stderr
    assert "/in/a between offsets 0 and 134217728; raise map.memory.mb" in failed.stderr


def test_a_line_over_the_formats_limit_is_refused_in_words(run: Run) -> None:
    (run.directory / "in" / "a").write_bytes(b"x" * 2_000_000 + b"\n")
    failed = run.submit("ShortLengths", map_maxattempts=1)
    assert failed.returncode == 1
    assert "/in/a: the line at offset 0 is longer than 1000000 bytes" in failed.stderr
    assert "max_line_bytes=..." in failed.stderr


def test_hundreds_of_partitions_of_hundreds_of_maps(run: Run) -> None:
    words = [f"word{number % 1000}" for number in range(20_000)]
    (run.directory / "in" / "a").write_text("\n".join(words) + "\n")
    found = run.output("WordCount", job_maps=300, job_reduces=200, map_memory_mb=256)
    assert found == Counter(words)
    assert len(list((run.directory / "out").glob("part-r-*"))) == 200
    assert run.report()["maps"]["total"] == 300


def test_a_sort_far_larger_than_its_buffers(run: Run) -> None:
    lines = 1_500_000
    with (run.directory / "in" / "a").open("wb") as file:
        for number in range(lines):
            file.write(b"%c%098d\n" % (97 + number % 26, number * 7_919 % lines))
    found = run.output(
        "Numbers",
        job_maps=8,
        io_sort_mb=4,
        io_sort_factor=4,
        reduce_shuffle_buffer_mb=4,
        map_memory_mb=224,
        reduce_memory_mb=224,
    )
    assert found == Counter(chr(97 + number % 26) for number in range(lines))
