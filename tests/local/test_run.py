"""Jobs run from Python: `run(...).result()` as records, table, dataset."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from examples.wordcount.wordcount import WordCount
from mrmesos.api import (
    Chain,
    CsvOutput,
    Input,
    Job,
    JobError,
    JsonLinesInput,
    JsonLinesOutput,
    Mapper,
    ParquetInput,
    ParquetOutput,
    Reducer,
    Step,
    Sum,
    TextInput,
)
from mrmesos.io.fs.scratch import Scratch
from mrmesos.local.run import JobFailed, Result, run


class Words(Mapper):
    def map(self, key: Any, line: str) -> Iterable[Any]:
        for word in line.split():
            yield word, 1


def text(directory: Path) -> Path:
    path = directory / "text"
    path.write_text("a rose\nis a rose\n")
    return path


def test_an_output_that_the_job_does_not_have_is_named_with_those_it_has() -> None:
    class Two(Job):
        outputs: ClassVar = {"errors": CsvOutput()}

    result = Result(Two, "job_1", "nowhere", {}, Scratch("mrmesos-run-"))
    with pytest.raises(JobError, match=r"Two has no output 'error' .*it has errors"):
        result.table("error")


@pytest.mark.slow
def test_maps_of_other_processes_know_the_columns_of_all_files(tmp_path: Path) -> None:
    class Rows(Job):
        mapper, reducer = Mapper, None
        input_format, output_format = ParquetInput(), JsonLinesOutput()

    for year, columns in ((2024, {"n": [1]}), (2025, {"t": ["x"]})):
        (tmp_path / f"year={year}").mkdir()
        pq.write_table(pa.table(columns), tmp_path / f"year={year}" / "part.parquet")
    result = run(Rows, tmp_path / "year=*", progress=io.StringIO(), conf={"job.maps": 2})
    assert [row for _, row in result.result(100).records()] == [
        {"n": 1, "t": None, "year": 2024},
        {"n": None, "t": "x", "year": 2025},
    ]


@pytest.mark.slow
def test_a_job_of_a_module_writes_where_it_is_told(tmp_path: Path) -> None:
    progress = io.StringIO()
    output = tmp_path / "out"
    result = run(WordCount, text(tmp_path), output, progress=progress).result(60)
    assert (output / "_SUCCESS").exists()
    assert dict(result.records()) == {"a": "2", "is": "1", "rose": "2"}
    assert sorted(result.table()["key"].to_pylist()) == ["a", "is", "rose"]
    assert result.counters["task"]["MAP_INPUT_RECORDS"] == 2
    assert result.job_id in progress.getvalue()
    with pytest.raises(ValueError, match="writes no columns; use table"):
        result.dataset()


@pytest.mark.slow
def test_files_and_modules_go_with_a_job(tmp_path: Path) -> None:
    class Marked(Mapper):
        def map(self, key: Any, line: str) -> Iterable[Any]:
            import travelling  # type: ignore[import-not-found]  # only there where this runs

            yield travelling.marked(self.context.cached("word").read_text()), 1

    class Marks(Job):
        mapper, reducer = Marked, Sum

    (tmp_path / "travelling.py").write_text("def marked(x):\n    return x + '!'\n")
    (tmp_path / "words").write_text("a")
    result = run(
        Marks,
        text(tmp_path),
        py_files=[tmp_path / "travelling.py"],
        files=[f"{tmp_path}/words#word"],
        progress=io.StringIO(),
    ).result(60)
    assert dict(result.records()) == {"a!": "2"}


@pytest.mark.slow
def test_a_job_of_a_function_needs_no_output(tmp_path: Path) -> None:
    class Counted(Job):
        mapper, reducer, output_format = Words, Sum, ParquetOutput()

    result = run(
        Counted, [text(tmp_path)], conf={"job.reduces": 2}, progress=io.StringIO()
    ).result()
    wanted = [("a", 2), ("is", 1), ("rose", 2)]
    assert sorted(result.records()) == wanted
    table = result.dataset().to_table()
    assert sorted(zip(*table.to_pydict().values(), strict=True)) == wanted
    assert result.table().schema == pa.schema([("key", pa.string()), ("value", pa.int64())])
    path = Path(result.uri)
    assert path.exists()
    del result
    assert not path.exists(), "its files go with the result"


class Both(Reducer):
    def reduce(self, key: Any, values: Iterator[Any]) -> Iterable[Any]:
        total = sum(values)
        self.context.output("rows").write(key, {"word": key, "times": total})
        yield key, [total]


class Lengths(Mapper):
    def map(self, key: Any, row: Any) -> Iterable[Any]:
        yield row["w"], row["n"]


@pytest.mark.slow
def test_named_inputs_and_outputs(tmp_path: Path) -> None:
    class Mixed(Job):
        inputs: ClassVar = {
            "text": Input(TextInput(), Words),
            "rows": Input(JsonLinesInput(), Lengths),
        }
        reducer, output_format = Both, JsonLinesOutput()
        outputs: ClassVar = {"rows": CsvOutput(records=True)}

    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"w": "a", "n": 5}) + "\n")
    where: dict[str, Any] = {"text": text(tmp_path), "rows": [rows]}
    result = run(Mixed, where, progress=io.StringIO()).result()
    assert sorted(result.records()) == [("a", [7]), ("is", [1]), ("rose", [2])]
    assert sorted(row["times"] for _, row in result.records("rows")) == ["1", "2", "7"]
    assert result.table("rows").schema.names == ["word", "times"]


class Fails(Mapper):
    def map(self, key: Any, line: str) -> Iterable[Any]:
        raise ValueError("no such word")


@pytest.mark.slow
def test_what_fails_says_what_submit_says(tmp_path: Path) -> None:
    class Failing(Job):
        mapper = Fails
        conf: ClassVar = {"map.maxattempts": 1}

    with pytest.raises(JobFailed, match="ValueError: no such word"):
        run(Failing, text(tmp_path), progress=io.StringIO()).result()
    with pytest.raises(JobFailed, match="nowhere: input does not exist"):
        run(Failing, tmp_path / "nowhere", progress=io.StringIO()).result()


class Waits(Mapper):
    def map(self, key: Any, line: str) -> Iterable[Any]:
        import time

        time.sleep(600)
        return ()


@pytest.mark.slow
def test_a_run_is_killed_where_an_error_leaves_its_block(tmp_path: Path) -> None:
    class Waiting(Job):
        mapper = Waits

    output = tmp_path / "out"
    with (
        pytest.raises(TimeoutError),
        run(Waiting, text(tmp_path), output, progress=io.StringIO()) as running,
    ):
        running.result(timeout=2.0)
    assert not output.exists()
    with pytest.raises(JobFailed):
        running.result()


def test_jobs_that_cannot_run_say_so_at_once() -> None:
    class Bad(Job):
        reducer = Mapper  # type: ignore[assignment] # that is what is wrong

    with pytest.raises(JobError, match="is Mapper, not a subclass of Reducer"):
        run(Bad, "x")
    with pytest.raises(ValueError, match="name an output"):
        run(WordCount, "x", master="http://m:5050")


AS_MAIN = """\
from __future__ import annotations
import functools, io, multiprocessing, sys, typing
from mrmesos.api import Job, Mapper, ParquetOutput, Reducer
from mrmesos.local.run import run

class Word(typing.NamedTuple):
    text: str

class Seen:  # no dataclass: a table would have those as structs
    def __init__(self, times):
        self.times = times

    def __eq__(self, other):
        return isinstance(other, Seen) and self.times == other.times

@functools.lru_cache
def lower(text):
    return text.lower()

def word(text):
    return Word(lower(text))

class Words(Mapper):
    def map(self, key, line):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            for each in pool.map(word, line.split()):
                yield each, Seen(1)

class Total(Reducer):
    def reduce(self, word, seen):
        yield word.text, Seen(sum(each.times for each in seen))

class Count(Job):
    mapper, reducer = Words, Total
    output_format = ParquetOutput()

def count(path):
    return dict(run(Count, path, progress=io.StringIO()).result(120).records())

if __name__ == "__main__":
    assert count(sys.argv[1]) == {"a": Seen(2), "is": Seen(1), "rose": Seen(2)}
"""
AS_MODULE = """\
import sys
from pack import as_main
assert as_main.count(sys.argv[1]) == {"a": as_main.Seen(2), "is": as_main.Seen(1),
                                      "rose": as_main.Seen(2)}
assert "as_main" not in sys.modules
"""


@pytest.mark.slow
@pytest.mark.parametrize("script", ["as_main.py", "as_module.py"])
def test_objects_of_the_scripts_classes_come_back_as_such(tmp_path: Path, script: str) -> None:
    """Objects of the script work as keys, as values, from child processes, and in the caller."""
    (tmp_path / "as_main.py").write_text(AS_MAIN)
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "as_main.py").write_text(AS_MAIN)
    (tmp_path / "as_module.py").write_text(AS_MODULE)
    ran = subprocess.run(
        [sys.executable, str(tmp_path / script), str(text(tmp_path))],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert ran.returncode == 0, ran.stderr


class Upper(Mapper):
    def map(self, key: Any, line: str) -> Iterator[tuple[int, str]]:
        self.context.count("mine", "lines")
        yield key, line.upper()


class Uppers(Job):
    mapper = Upper


class Keys(Mapper):
    def map(self, word: str, count: int) -> Iterator[tuple[int, str]]:
        yield count, word


class ByCount(Job):
    mapper, reducer = Keys, None


class CountWords(Job):
    mapper, reducer = Words, Sum


class Report(Chain):
    steps: ClassVar = {
        "upper": Uppers,
        "words": Step(CountWords, "upper"),
        "counts": Step(ByCount, "words"),
        "again": Step(CountWords, "lines"),
    }


@pytest.mark.slow
def test_a_chain_runs_with_a_fused_step_and_several_outputs(tmp_path: Path) -> None:
    progress = io.StringIO()
    inputs = {"": text(tmp_path), "lines": text(tmp_path)}
    result = run(Report, inputs, tmp_path / "out", progress=progress).result(100)
    assert sorted(result.steps) == ["again", "counts"]
    assert sorted(result.steps["counts"].records()) == [("1", "IS"), ("2", "A"), ("2", "ROSE")]
    assert dict(result.steps["again"].records()) == {"a": "2", "is": "1", "rose": "2"}
    assert result.steps["counts"].counters["task"]["MAP_INPUT_RECORDS"] == 3
    assert "upper: SUCCEEDED, in the maps of words" in progress.getvalue()
    assert not (tmp_path / "_out_steps").exists()


@pytest.mark.slow
def test_a_chain_that_fails_names_the_record_and_keeps_what_is_done(tmp_path: Path) -> None:
    class Failing(Mapper):
        def map(self, word: str, count: int) -> None:
            raise KeyError(word)

    class Fails(Job):
        mapper = Failing
        conf: ClassVar = {"map.maxattempts": 1}

    class Stops(Chain):
        steps: ClassVar = [CountWords, Fails]

    with pytest.raises(JobFailed, match="KeyError: 'a'") as failed:
        run(Stops, text(tmp_path), tmp_path / "out", progress=io.StringIO()).result(100)
    assert "submit again with --resume" in str(failed.value)
    assert (tmp_path / "_out_steps" / "CountWords" / "_SUCCESS").exists()
