"""`mrmesos submit --preview`: the first records of the new output."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

JOB = """
from mrmesos.api import Job, Mapper, ParquetOutput, Sum

class Words(Mapper):
    def map(self, key, line):
        for word in line.split():
            yield word, 1

class Count(Job):
    mapper, reducer, output_format = Words, Sum, ParquetOutput()
"""


def submit(directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    (directory / "job.py").write_text(JOB)
    (directory / "in").write_text("é b c b é é\n")
    command = [sys.executable, "-m", "mrmesos", "submit", "job.py", "--input", "in"]
    return subprocess.run(
        [*command, "--output", "out", *options],
        cwd=directory,
        text=True,
        capture_output=True,
        timeout=90,
        check=False,
    )


@pytest.mark.slow
def test_stdout_gets_the_records_alone(tmp_path: Path) -> None:
    done = submit(tmp_path, "--preview", "2", "-D", "job.reduces=1")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "b\t2\nc\t1\n"
    assert "SUCCEEDED" in done.stderr
    assert "MAP_INPUT_RECORDS" in done.stderr


@pytest.mark.slow
def test_quiet_says_nothing_about_a_job_that_succeeds(tmp_path: Path) -> None:
    done = submit(tmp_path, "--quiet", "--preview", "2", "-D", "job.reduces=1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "b\t2\nc\t1\n", "")


def test_a_job_that_goes_on_without_us_has_no_preview(tmp_path: Path) -> None:
    refused = submit(tmp_path, "--preview", "2", "--detach", "--jobtracker", "http://127.0.0.1:1")
    assert refused.returncode == 2
    assert "--preview waits for the job's end" in refused.stderr
