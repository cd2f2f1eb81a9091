"""Jobs from and to S3, as people run them."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from mrmesos.io.fs.filesystem import InputError
from mrmesos.io.input.splits import expand_inputs
from mrmesos.io.output.commit import OutputCommitter
from tests.s3.conftest import S3, filesystem
from tests.s3.test_commit import objects, uploads

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
DEADLINE = 120.0


@pytest.fixture
def text(bucket: str) -> bytes:
    chosen = random.Random(6)
    words = [f"word{number}" for number in range(500)]
    lines = [" ".join(chosen.choices(words, k=10)) for _ in range(20_000)]
    data = "\n".join([*lines, ""]).encode()
    filesystem().pipe_file(f"{bucket}/text/a.txt", data)
    filesystem().pipe_file(f"{bucket}/text/b.txt", data[: len(data) // 3])
    return data + data[: len(data) // 3]


def submit(example: str, bucket: str, output: str, *more: str) -> None:
    command = [
        *(sys.executable, "-m", "mrmesos", "submit", str(ROOT / "examples" / example)),
        *("--input", f"{bucket}/text", "--output", f"{bucket}/{output}", "-D", "job.maps=3", *more),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 0, done.stderr


def test_word_count_and_sort(bucket: str, text: bytes, s3: S3) -> None:
    before = len(s3.requests())
    counted = ("wordcount/wordcount.py", bucket, "counts", "-D", "job.reduces=2")
    submit(*counted)
    submit(*counted, "--overwrite")
    found = objects(f"{bucket}/counts")
    assert sorted(found) == ["_SUCCESS", "part-r-00000", "part-r-00001"]
    counts = dict(line.split("\t") for line in b"".join(found.values()).decode().splitlines())
    assert {word: int(n) for word, n in counts.items()} == Counter(text.decode().split())

    submit("terasort/terasort.py", bucket, "sorted", "-D", "job.reduces=2")
    found = objects(f"{bucket}/sorted")
    lines = b"".join(found[name] for name in sorted(found)).splitlines()
    assert lines == sorted(text.splitlines())

    made = s3.requests()[before:]
    assert [line for line in made if "PUT" in line and "part-r-" in line]
    for line in made:  # no part file is put or copied to its place: all are uploads
        assert (
            "PUT" not in line
            or "part-r-" not in line
            or "partNumber=" in line
            or ("_temporary/" in line)
        ), line
    assert not uploads(bucket)


DIES_IN_COMMIT = """
import os
from mrmesos.cli import main
from mrmesos.io.output.s3_uploads import Uploads

complete, left = Uploads.complete, [1]

def dies(self, *args, **more):
    if not left[0]:
        os._exit(9)
    left[0] -= 1
    complete(self, *args, **more)

Uploads.complete = dies
main()
"""


def test_a_jobtracker_killed_while_it_commits_shows_no_partial_output(
    bucket: str, text: bytes
) -> None:
    arguments = (
        *("submit", str(ROOT / "examples/wordcount/wordcount.py"), "--input", f"{bucket}/text"),
        *("--output", f"{bucket}/out", "-D", "job.reduces=3"),
    )
    command = [sys.executable, "-c", DIES_IN_COMMIT, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 9, done.stderr
    found = objects(f"{bucket}/out")
    parts = [name for name in found if name.startswith("part-")]
    assert len(parts) == 1
    assert "_SUCCESS" not in found
    with pytest.raises(InputError, match="commit is not complete"):
        expand_inputs([f"{bucket}/out"])
    # Nobody can know here whether that job still runs: it is not overwritten.
    again = [sys.executable, "-m", "mrmesos", *arguments, "--overwrite"]
    refused = subprocess.run(again, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE)
    assert refused.returncode == 2
    assert "another job writes there or died there" in refused.stderr
    OutputCommitter(f"{bucket}/out").abort_job()
    assert not objects(f"{bucket}/out")
    assert not uploads(bucket)


def test_a_split_is_read_by_few_requests(bucket: str, s3: S3) -> None:
    """At most 1.2 requests for 8 MiB, with the look at the first bytes of the file."""
    lines = 8 << 20
    filesystem().pipe_file(f"{bucket}/text/big.txt", b"a word \n" * lines)  # 64 MiB
    before = len(s3.requests())
    submit("wordcount/wordcount_vectorised.py", bucket, "counts", "-D", "job.maps=1")
    found = objects(f"{bucket}/counts")
    assert b"".join(found.values()).splitlines() == [b"a\t%d" % lines, b"word\t%d" % lines]
    read = [line for line in s3.requests()[before:] if '"GET' in line and "text/big.txt" in line]
    assert len(read) <= 1.2 * 8, "\n".join(read)
