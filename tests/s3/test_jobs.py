"""Jobs from and to S3, as people run them."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

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
