from __future__ import annotations

import codecs
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from examples.wordcount.wordcount import WordCount
from examples.wordcount.wordcount_vectorised import WordCountVectorised
from mrmesos.api import Job
from mrmesos.api.testing import run_job
from mrmesos.io.compression.first_bytes import not_text, wide_encoding

BOTH = pytest.mark.parametrize("job", [WordCount, WordCountVectorised])


def reference(data: bytes) -> Counter[str]:
    counts: Counter[str] = Counter()
    for line in data.removeprefix(codecs.BOM_UTF8).split(b"\n"):
        counts.update(line.decode("utf-8", "replace").split())
    return counts


@BOTH
def test_the_readmes_rose(job: type[Job]) -> None:
    result = run_job(job, ["a rose", "is a rose"])
    assert dict(result.records) == {"a": 2, "is": 1, "rose": 2}
    assert b"".join(result.files.values()).count(b"\t") == 3


@BOTH
@settings(max_examples=40, deadline=None)
@given(
    data=st.binary(max_size=400) | st.text("ab \n\r\t", max_size=400).map(str.encode),
    splits=st.integers(1, 9),
    reducers=st.integers(1, 4),
)
def test_any_bytes_in_any_splits(job: type[Job], data: bytes, splits: int, reducers: int) -> None:
    if job is WordCountVectorised:
        # Arrow's notion of white space lacks U+001C to U+001F, which Python's has.
        data = data.translate(None, bytes(range(0x1C, 0x20)))
    assume(not (not_text(data) or wide_encoding(data)))
    result = run_job(job, {"data.txt": data}, splits=splits, num_reducers=reducers)
    assert Counter(dict(result.records)) == reference(data)
    assert len(result.records) == len(dict(result.records))


def test_the_combiner_shrinks_what_travels() -> None:
    result = run_job(WordCount, ["to be or not to be"] * 2000, splits=2)
    task = result.counters["task"]
    assert task["MAP_OUTPUT_RECORDS"] == 12_000
    assert task["REDUCE_INPUT_RECORDS"] == 8


@pytest.mark.slow
def test_the_demo_runs_and_checks_itself(tmp_path: Path) -> None:
    library = tmp_path / "lib"
    package = library / "package"
    package.mkdir(parents=True)
    for number in range(20):
        text = f"def f{number}():\n    return 'a rose is a rose' # {number}\n" * (number + 1)
        package.joinpath(f"m{number}.py").write_text(text)
    library.joinpath("top.py").write_bytes(b"import os # caf\xe9 \xff\r\nno newline")
    library.joinpath("site-packages").mkdir()
    library.joinpath("site-packages", "other.py").write_text("not counted")
    demo = Path(__file__).parents[2] / "examples" / "wordcount" / "demo.py"
    for _ in range(2):  # the second run replaces the output of the first
        done = subprocess.run(
            [sys.executable, str(demo), "--input", str(library), "--output", "out"],
            cwd=tmp_path,
            env={**os.environ, "COLUMNS": "80"},
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.splitlines()[0].startswith("21 Python files of ")
        assert done.stdout.splitlines()[-1] == "equal"
        assert "3 reduces on 2 agents" in done.stdout
        assert "(1 failed)" not in done.stdout


def test_the_demo_removes_no_directory_of_others(tmp_path: Path) -> None:
    from examples.wordcount.demo import remove_own_output

    ours, others = tmp_path / "ours", tmp_path / "others"
    for directory in (ours, others):
        directory.mkdir()
        directory.joinpath("part-r-00000").touch()
    ours.joinpath("_SUCCESS").touch()
    assert remove_own_output(ours)
    assert not ours.exists()
    assert not remove_own_output(others)
    assert others.exists()
    assert remove_own_output(tmp_path / "absent")
