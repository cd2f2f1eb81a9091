"""Patterns on S3 find the same files as elsewhere."""

from __future__ import annotations

import pytest

from mrmesos.io.input.splits import expand_inputs
from tests.s3.conftest import filesystem

KEYS = ("2024/a.gz", "2025/b.gz", "2025/x/c.gz", "2025", "_tmp/d.gz", "p,q/e")


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("**", ["2024/a.gz", "2025", "2025/b.gz", "2025/x/c.gz", "p,q/e"]),
        ("*/*.gz", ["2024/a.gz", "2025/b.gz"]),
        ("**/*.gz", ["2024/a.gz", "2025/b.gz", "2025/x/c.gz"]),
        ("{2024,2025/x}/*.gz", ["2024/a.gz", "2025/x/c.gz"]),
        ("**/b.gz", ["2025/b.gz"]),
        ("*/x/c.gz", ["2025/x/c.gz"]),
        ("_tmp/*", ["_tmp/d.gz"]),
        ("p,q", ["p,q/e"]),
    ],
)
def test_patterns(bucket: str, pattern: str, wanted: list[str]) -> None:
    fs = filesystem()
    root = bucket.removeprefix("s3://").rstrip("/")
    for key in KEYS:
        fs.pipe_file(f"{root}/{key}", b"x")
    found = [
        info.uri.removeprefix(f"s3://{root}/") for info in expand_inputs([f"s3://{root}/{pattern}"])
    ]
    assert found == wanted
