from __future__ import annotations

import argparse
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrmesos.api import Count, Job, JobError, Mapper, Max, Min, Reducer, Sum, TextInput
from mrmesos.conf import ConfError
from mrmesos.io.fs.filesystem import InputError
from mrmesos.local.run_job import run_job

Pairs = Iterator[tuple[Any, Any]]


class Tokenize(Mapper):
    def map(self, key: int, line: str) -> Pairs:
        for word in line.split():
            yield word, 1


class Total(Reducer):
    def reduce(self, word: str, counts: Iterator[int]) -> Pairs:
        yield word, sum(counts)


class WordCount(Job):
    mapper, combiner, reducer = Tokenize, Total, Total


def test_inputs_of_every_kind(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_text("a b\na\n")
    expected = {"a": 2, "b": 1}
    for inputs in (["a b", "a"], "a b\na\n", {"x": "a b\n", "y": b"a"}, path, [path]):
        assert dict(run_job(WordCount, inputs).records) == expected  # type: ignore[arg-type]
    assert dict(run_job(WordCount, tmp_path).records) == expected


def test_no_input_makes_empty_files() -> None:
    result = run_job(WordCount, [])
    assert result.records == []
    assert result.files == {"part-r-00000": b"", "part-r-00001": b""}


def test_there_are_several_splits_and_reduces_unless_told() -> None:
    lines = [f"line {number}" for number in range(100)]

    class Split(Mapper):
        def map(self, key: int, line: str) -> None:
            """Nothing: what counts is that there is a task."""

        def close(self) -> Pairs:
            yield self.context.facts.task_id, 1

    class Splits(Job):
        mapper, reducer = Split, Total

    for wanted, number in ((None, 3), (1, 1), (7, 7)):
        result = run_job(Splits, lines, splits=wanted)
        assert len(dict(result.records)) == number
        assert len(result.files) == 2
    assert len(run_job(Splits, lines, num_reducers=5).files) == 5


def test_the_jobs_own_settings_count() -> None:
    class One(WordCount):
        num_reducers = 1
        conf = {"job.maps": 5, "greeting": "hello"}  # noqa: RUF012 -- as authors write it

    assert len(run_job(One, ["a"]).files) == 1
    assert len(run_job(One, ["a"], conf={"job.reduces": 4}).files) == 4


def test_arguments_and_parameters_reach_tasks() -> None:
    class Prefix(Mapper):
        def map(self, key: int, line: str) -> Pairs:
            yield self.context.args.prefix + line, self.context.params["suffix"]

    class Prefixed(Job):
        mapper = Prefix

        @classmethod
        def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
            parser.add_argument("--prefix", default="")

    result = run_job(Prefixed, ["x"], ["--prefix", "p-"], {"suffix": "s"})
    assert result.records == [("p-x", "s")]
    assert result.files["part-m-00000"] == b"p-x\ts\n"


def test_a_map_only_job_has_a_file_for_each_map() -> None:
    class Copy(Job):
        pass

    result = run_job(Copy, ["a", "b", "c"], splits=3)
    assert result.records == [(0, "a"), (2, "b"), (4, "c")]
    assert sorted(result.files) == ["part-m-00000", "part-m-00001", "part-m-00002"]


def test_the_users_own_exception_comes_with_a_note_where() -> None:
    class Picky(Mapper):
        def map(self, key: int, line: str) -> Pairs:
            try:
                yield line, int(line)
            except ValueError as exc:
                raise LookupError("what is that?") from exc

    class Numbers(Job):
        mapper, reducer = Picky, Sum

    with pytest.raises(LookupError, match="what is that") as met:
        run_job(Numbers, {"numbers.txt": "1\n2\nthree\n"})
    assert isinstance(met.value.__cause__, ValueError)
    (note,) = met.value.__notes__
    assert note.endswith("numbers.txt offset 4: record 'three'")


def test_wrong_uses_are_job_errors_with_a_note() -> None:
    class Single(Mapper):
        def map(self, key: int, line: str) -> Iterator[Any]:
            yield line

    class Wrong(Job):
        mapper, reducer = Single, Sum

    with pytest.raises(JobError, match=r"Single\.map\(\) yielded 'x', which is not") as met:
        run_job(Wrong, ["x"])
    assert "offset 0" in met.value.__notes__[0]


def test_sys_exit_does_not_end_the_test_run() -> None:
    class Exits(Mapper):
        def map(self, key: int, line: str) -> Pairs:
            raise SystemExit(3)

    class Exiting(Job):
        mapper = Exits

    with pytest.raises(JobError, match="SystemExit: 3"):
        run_job(Exiting, ["x"])


def test_wrong_classes_settings_and_inputs(tmp_path: Path) -> None:
    class Wrong(Job):
        mapper = Total  # type: ignore[assignment]  # what the test is about

    with pytest.raises(JobError, match=r"Wrong\.mapper is Total"):
        run_job(Wrong, ["x"])
    with pytest.raises(ConfError, match=r"job\.maps='many'"):
        run_job(WordCount, ["x"], conf={"job.maps": "many"})
    with pytest.raises(InputError, match="absent"):
        run_job(WordCount, tmp_path / "absent")


def test_records_come_back_as_objects() -> None:
    class Rich(Mapper):
        def map(self, key: int, line: str) -> Pairs:
            yield (line, len(line)), {"seen": {key}}

    class Keep(Job):
        mapper, reducer = Rich, Reducer

    result = run_job(Keep, ["bb", "a"], num_reducers=1)
    assert result.records == [(("a", 1), {"seen": {3}}), (("bb", 2), {"seen": {0}})]


def test_bytes_are_read_where_no_encoding_is_given() -> None:
    class Raw(Job):
        input_format = TextInput(encoding="")

    assert run_job(Raw, {"x": b"\xff\n"}).records == [(0, b"\xff")]


NUMBERS = st.lists(st.tuples(st.integers(0, 20), st.integers(-100, 100)), max_size=200)


class Parse(Mapper):
    def map(self, key: int, line: str) -> Pairs:
        name, _, number = line.partition(" ")
        yield int(name), int(number)


@settings(max_examples=30, deadline=None)
@given(numbers=NUMBERS, splits=st.integers(1, 5), reducers=st.integers(1, 4))
@pytest.mark.parametrize(("fold", "reference"), [(Sum, sum), (Count, len), (Min, min), (Max, max)])
def test_aggregates_equal_plain_python(
    fold: Any, reference: Any, numbers: list[tuple[int, int]], splits: int, reducers: int
) -> None:
    class Folded(Job):
        mapper, reducer = Parse, fold

    groups: dict[int, list[int]] = defaultdict(list)
    for key, number in numbers:
        groups[key].append(number)
    lines = [f"{key} {number}" for key, number in numbers]
    result = run_job(Folded, lines, splits=splits, num_reducers=reducers)
    assert sorted(result.records) == sorted((key, reference(of)) for key, of in groups.items())


@settings(max_examples=30, deadline=None)
@given(numbers=NUMBERS, splits=st.integers(1, 5), reducers=st.integers(1, 4))
def test_every_pair_arrives_once_and_in_order(
    numbers: list[tuple[int, int]], splits: int, reducers: int
) -> None:
    class Shuffled(Job):
        mapper, reducer = Parse, Reducer

    lines = [f"{key} {number}" for key, number in numbers]
    result = run_job(Shuffled, lines, conf={"io.sort.mb": 1}, splits=splits, num_reducers=reducers)
    # Values of a key keep the order of the input; keys are sorted within each file.
    assert sorted(result.records, key=lambda pair: pair[0]) == sorted(
        numbers, key=lambda pair: pair[0]
    )
    for data in result.files.values():
        keys = [int(line.split(b"\t")[0]) for line in data.splitlines()]
        assert keys == sorted(keys)


def test_files_that_a_job_asks_for(tmp_path: Path) -> None:
    class Marked(Mapper):
        def setup(self) -> None:
            self.mark = self.context.cached("mark").read_text()
            self.more = (self.context.cached("directory") / "more").read_bytes()
            with pytest.raises(LookupError, match=r"by --files .known: directory, mark"):
                self.context.cached("other")

        def map(self, key: int, line: str) -> Pairs:
            yield line + self.mark, self.more.decode()

    class Marks(Job):
        mapper, reducer = Marked, Reducer

    (tmp_path / "more").write_text("?")
    result = run_job(Marks, ["a"], files={"mark": "!", "directory": tmp_path})
    assert result.records == [("a!", "?")]


def test_records_that_are_left_out_are_among_the_files() -> None:
    class Strict(Mapper):
        def map(self, key: int, line: str) -> Pairs:
            yield line, int(line)

    class Numbers(Job):
        mapper, reducer = Strict, Total

    result = run_job(Numbers, ["1", "two", "3"], conf={"skip.records.max": 1}, splits=1)
    assert sorted(result.records) == [("1", 1), ("3", 3)]
    assert b'"value": "two"' in result.files["_skipped/part-m-00000.jsonl"]
    assert result.counters["task"]["SKIPPED_RECORDS"] == 1
    with pytest.raises(JobError, match=r"2 bad records, more than .*: ValueError: invalid"):
        run_job(Numbers, ["1", "two", "three"], conf={"skip.records.max": 1}, splits=1)


def test_counters_that_are_no_unicode_are_told_as_on_a_cluster() -> None:
    class Counts(Mapper):
        def map(self, key: Any, line: str) -> Iterator[tuple[str, int]]:
            self.context.count("names", "caf\udce9")
            self.context.count("names", "caf\\udce9")
            yield line, 1

    class Counting(Job):
        mapper = Counts

    assert run_job(Counting, ["a", "b"]).counters["names"] == {"caf\\udce9": 4}


AS_MAIN = """\
import functools, typing
from mrmesos.api import Job, Mapper, Reducer
from mrmesos.api.testing import run_job

class Word(typing.NamedTuple):
    text: str

@functools.cache
def word(text):
    return Word(text)

class Words(Mapper):
    def map(self, key, line):
        yield word(line), [word(line)]

class First(Reducer):
    def reduce(self, key, values):
        yield key, list(values)

class J(Job):
    mapper, reducer = Words, First

if __name__ == "__main__":
    records = sorted(run_job(J, ["a", "b"]).records)
    assert records == [(Word("a"), [[Word("a")]]), (Word("b"), [[Word("b")]])], records
    assert all(type(key) is Word for key, _ in records)
"""


def test_a_script_that_tests_its_own_job(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(AS_MAIN)
    command = [sys.executable, str(tmp_path / "script.py")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr


def test_bytes_are_one_file_and_no_numbers() -> None:
    assert dict(run_job(WordCount, b"a b\na\n").records) == {"a": 2, "b": 1}
    odd: Any
    for odd in ([b"a"], [1, 2], [Path("x"), "y"]):
        with pytest.raises(JobError, match="among lines: give a list of lines"):
            run_job(WordCount, odd)


class Asking(Mapper):
    def map(self, key: int, line: str) -> Pairs:
        yield self.context.args.word, 1


class Forgetful(Job):
    mapper, reducer = Asking, Total

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--word", default="x")

    def __init__(self, args: argparse.Namespace) -> None:
        self.note = args.word  # it calls no other __init__


def test_a_job_keeps_its_arguments_whatever_its_init_calls() -> None:
    assert run_job(Forgetful, ["a"], ["--word", "y"]).records == [("y", 1)]
