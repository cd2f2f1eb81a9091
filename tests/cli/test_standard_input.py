"""`mrmesos submit --input -`: a job over data from a pipe."""

from __future__ import annotations

import bz2
import os
import subprocess
import sys
from pathlib import Path

import pytest

JOB = """
from mrmesos.api import Job, Mapper, Sum, TextInput

class Words(Mapper):
    def map(self, key, record):
        yield record, 1

class Count(Job):
    mapper, reducer, input_format = Words, Sum, TextInput(delimiter=b"||")
"""


@pytest.mark.slow
def test_a_pipe_is_the_input_and_its_copy_goes_with_the_command(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text(JOB)
    (tmp_path / "tmp").mkdir()
    command = [sys.executable, "-m", "mrmesos", "submit", "job.py", "--input", "-"]
    done = subprocess.run(
        [*command, "--output", "out", "--quiet", "--preview", "9", "-D", "job.reduces=1"],
        cwd=tmp_path,
        input=bz2.compress(b"b c||a||b c||"),
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
        capture_output=True,
        timeout=90,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"a\t1\nb c\t2\n", b"")
    assert [path.name for path in (tmp_path / "tmp").iterdir() if "input" in path.name] == []
