"""`mrmesos submit mr_job.py` as users run it: real processes on a local cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mrjob", reason="mrjob is an optional extra: mrmesos[mrjob]")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SCRIPT = """
import os
import sys
from mrjob.job import MRJob
from mrjob.step import MRStep


class MRSteps(MRJob):
    FILES = ["stop.txt"]

    def configure_args(self):
        super().configure_args()
        self.add_passthru_arg("--exit", type=int, default=0)

    def words(self, _, line):
        if self.options.exit:
            os._exit(self.options.exit)
        with open("stop.txt") as file:
            stop = file.read().split()
        for word in line.split():
            if word not in stop:
                yield word, 1

    def total(self, word, counts):
        yield word, sum(counts)

    def by_count(self, word, count):
        self.increment_counter("words", "distinct")
        yield count, word

    def sorted_words(self, count, words):
        yield count, sorted(words)

    def steps(self):
        return [MRStep(mapper=self.words, combiner=self.total, reducer=self.total),
                MRStep(mapper=self.by_count, reducer=self.sorted_words)]


if __name__ == "__main__":
    MRSteps.run()
"""


def submit(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    (place / "mr_steps.py").write_text(SCRIPT)
    (place / "stop.txt").write_text("the")
    (place / "in.txt").write_text("the quick fox\nthe lazy fox\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("MRMESOS_JOBTRACKER_URL", None)
    command = [sys.executable, "-m", "mrmesos", "submit", "mr_steps.py", "--input", "in.txt"]
    return subprocess.run(
        [*command, "--output", "out", *words],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
    )


def test_two_steps(tmp_path: Path) -> None:
    done = submit(tmp_path, "-D", "job.reduces=1")
    assert done.returncode == 0, done.stderr
    (part,) = (tmp_path / "out").glob("part-*")
    assert part.read_text() == '1\t["lazy", "quick"]\n2\t["fox"]\n'
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["_SUCCESS", part.name]


def test_a_task_that_ends_its_process(tmp_path: Path) -> None:
    done = submit(tmp_path, "-D", "map.maxattempts=1", "--", "--exit", "42")
    assert done.returncode == 1, done.stderr
    assert "worker exited with status 42" in done.stderr
    assert "Traceback" not in done.stderr
