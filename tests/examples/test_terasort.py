from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from examples.terasort.teragen import LINE, generate
from examples.terasort.terasort import TeraSort
from mrmesos.api.testing import run_job
from mrmesos.io.compression.first_bytes import not_text, wide_encoding


def parts(files: dict[str, bytes]) -> bytes:
    assert list(files) == sorted(files)
    return b"".join(files.values())


def test_the_parts_together_are_the_input_sorted(tmp_path: Path) -> None:
    generate(20_000, tmp_path / "in", 3, seed=5)
    data = b"".join(path.read_bytes() for path in sorted((tmp_path / "in").iterdir()))
    result = run_job(TeraSort, tmp_path / "in", conf={"job.maps": 5, "io.sort.mb": 1})
    assert parts(result.files) == b"".join(sorted(data.splitlines(keepends=True)))
    assert len(result.files) == 4
    assert min(map(len, result.files.values())) > len(data) // 5


@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(
        st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"").rstrip(b"\r"))
        | st.sampled_from([b"0123456789 a", b"0123456789 b", b"0123456789", b"01234567"]),
        max_size=60,
    ),
    splits=st.integers(1, 5),
    reduces=st.integers(1, 5),
)
def test_any_lines(lines: list[bytes], splits: int, reduces: int) -> None:
    data = b"".join(line + b"\n" for line in lines)
    assume(not (not_text(data) or wide_encoding(data)))
    result = run_job(TeraSort, {"a": data}, splits=splits, num_reducers=reduces)
    assert parts(result.files) == b"".join(line + b"\n" for line in sorted(lines))


def test_generated_lines_are_of_one_length_whatever_the_files(tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "examples" / "terasort" / "teragen.py"
    command = [sys.executable, str(script), "1000", str(tmp_path / "a")]
    subprocess.run(command, check=True, timeout=60)
    data = (tmp_path / "a" / "part-00000").read_bytes()
    rows = np.frombuffer(data, np.uint8).reshape(-1, LINE)
    assert len(rows) == 1000
    assert len({row[:10].tobytes() for row in rows}) == 1000
    assert data.count(b"\n") == 1000
    assert all(32 <= byte <= 126 for byte in set(data) - {10})


@pytest.mark.slow
def test_submit_sorts_as_sort_does(tmp_path: Path) -> None:
    generate(50_000, tmp_path / "in", 2, seed=1)
    job = Path(__file__).parents[2] / "examples" / "terasort" / "terasort.py"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mrmesos", "submit", str(job)),
            *("--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    data = b"".join(path.read_bytes() for path in sorted((tmp_path / "in").iterdir()))
    found = b"".join(path.read_bytes() for path in sorted((tmp_path / "out").glob("part-r-*")))
    assert found == b"".join(sorted(data.splitlines(keepends=True)))
