from __future__ import annotations

import base64
import errno
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mrmesos.api import (
    BatchMapper,
    BatchReducer,
    Job,
    Mapper,
    Reducer,
    TextInput,
    TextOutput,
    pairs,
)
from mrmesos.io.columns.schema import RecordTypeError
from mrmesos.io.fs.filesystem import OutputError
from mrmesos.task.drivers import record_feed
from mrmesos.task.drivers.bad_records import _line
from mrmesos.task.drivers.record_spans import NOTE_FILE, Note, Redo, Span
from mrmesos.task.drivers.user_code import TaskError
from mrmesos.task.map_task import MapResult, run_map
from mrmesos.task.reduce_task import ReduceResult, run_reduce
from mrmesos.wire.task import AttemptError, ErrorKind
from tests.task.test_reduce_task import Runs
from tests.tasktracker.harness import facts_for, map_attempt, reduce_attempt

Pairs = Iterator[tuple[Any, Any]]


class Twice(Mapper):
    """At lines with an x, yields one pair and fails."""

    def map(self, key: int, line: str) -> Pairs:
        self.context.count("mine", "begun")
        yield line, "once"
        if "x" in line:
            raise ValueError(f"cannot use {line!r}")
        yield line, "twice"


class Odd(Mapper):
    def map(self, key: int, line: str) -> Any:
        return [(line, 1), line] if "x" in line else None if "n" in line else [(line, 1)]


class Leaving(Mapper):
    def map(self, key: int, line: str) -> Any:
        if "x" in line:
            raise SystemExit(3)
        return [(line, 1)]


class Columns(BatchMapper):
    def map_batch(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        self.context.count("mine", "rows", batch.num_rows)
        yield pairs(batch["value"], batch["value"])
        if pc.any(pc.match_substring(batch["value"], "x")).as_py():
            raise ValueError("an x")


def map_only(mapper: type[Mapper] | type[BatchMapper]) -> type[Job]:
    return type("TestJob", (Job,), {"mapper": mapper, "reducer": None})


def mapped(
    tmp_path: Path,
    mapper: type[Mapper] | type[BatchMapper],
    lines: list[str],
    limit: int,
    redo: Redo | None = None,
) -> MapResult:
    source, work = tmp_path / "input", tmp_path / "work"
    source.write_text("".join(f"{line}\n" for line in lines))
    work.mkdir(exist_ok=True)
    cls = map_only(mapper)
    conf = {"skip.records.max": str(limit)}
    made = facts_for(cls, tmp_path / "out", num_reducers=0, conf=conf)
    return run_map(map_attempt(source), made, cls(), work, redo=redo)


def written(tmp_path: Path, kind: str = "m") -> list[str]:
    [part] = (tmp_path / "out").glob(f"_temporary/*/part-{kind}-00000")
    return part.read_text().splitlines()


def kept(tmp_path: Path) -> list[dict[str, Any]]:
    files = list((tmp_path / "out").glob("_temporary/*/_skipped/part-*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


@pytest.mark.parametrize("mapper", [Twice, Columns, Odd, Leaving])
def test_records_at_which_a_mapper_fails_are_skipped_and_kept(
    tmp_path: Path, mapper: type[Mapper] | type[BatchMapper]
) -> None:
    lines = [f"line {i}" for i in range(1000)]
    for bad in (0, 17, 18, 999):
        lines[bad] = f"x{bad}"
    good = [line for line in lines if "x" not in line]
    done = mapped(tmp_path, mapper, lines, 4)
    assert done.counters["task"]["SKIPPED_RECORDS"] == 4
    assert done.counters["task"]["MAP_INPUT_RECORDS"] == 1000
    assert list(dict.fromkeys(line.split("\t")[0] for line in written(tmp_path))) == [
        line for line in good if "n" not in line or mapper is not Odd
    ]
    aside = kept(tmp_path)
    assert [each["value"] for each in aside] == ["x0", "x17", "x18", "x999"]
    offset = len("".join(f"{line}\n" for line in lines[:17]))
    assert aside[1]["where"] == f"{tmp_path}/input offset {offset}"
    assert aside[1]["key"] == offset
    assert aside[1]["error"]
    if mapper is Columns:
        assert done.counters["mine"]["rows"] == 1000  # repeated calls do not count twice
    if mapper is Twice:
        assert done.counters["mine"]["begun"] == 1000
        assert "cannot use 'x17'" in aside[1]["traceback"]


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    lines=st.lists(st.sampled_from(["a", "b", "x", "c x", "d"]), max_size=60),
    mapper=st.sampled_from([Twice, Columns]),
    known=st.sets(st.integers(0, 59), max_size=5),
    cuts=st.sets(st.integers(0, 59), max_size=5),
)
def test_the_output_is_that_of_the_good_records(
    tmp_path_factory: pytest.TempPathFactory,
    lines: list[str],
    mapper: type[Mapper] | type[BatchMapper],
    known: set[int],
    cuts: set[int],
) -> None:
    one, other = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("other")
    redo = Redo(dict.fromkeys(known, "it crashed"), sorted(cuts))
    done = mapped(one, mapper, lines, 60, redo)
    bad = {i for i, line in enumerate(lines) if "x" in line or i in known}
    mapped(other, mapper, [line for i, line in enumerate(lines) if i not in bad], 0)
    assert written(one) == written(other)
    assert done.counters["task"].get("SKIPPED_RECORDS", 0) == len(bad) == len(kept(one))


def test_one_too_many_fails_with_the_number_and_the_first_error(tmp_path: Path) -> None:
    with pytest.raises(TaskError) as met:
        mapped(tmp_path, Twice, ["a", "x1", "x2", "x3", "x4"], 2)
    error = met.value.error
    assert error.kind is ErrorKind.USER_CODE
    assert error.message == (
        "3 bad records, more than skip.records.max=2; the first: ValueError: cannot use 'x1'"
    )
    assert error.where == f"{tmp_path}/input offset 2"
    assert error.record == "'x1'"
    assert Note.read(tmp_path / "work" / NOTE_FILE) is None


def test_without_the_setting_the_first_one_fails_the_attempt(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="cannot use 'x1'"):
        mapped(tmp_path, Twice, ["a", "x1"], 0)
    assert not (tmp_path / "work" / NOTE_FILE).exists()


class Endless(Mapper):
    """Yields more pairs of one record than the driver holds back, then fails."""

    def map(self, key: int, line: str) -> Pairs:
        for number in range(3 * record_feed.MAX_PAIRS if "x" in line else 3):
            yield line, number
        if "x" in line:
            raise ValueError("in the end")


def test_a_record_that_cannot_be_taken_back_is_named_and_then_known(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="in the end"):
        mapped(tmp_path, Endless, ["a", "x", "b"], 1)
    assert Note.read(tmp_path / "work" / NOTE_FILE) == Span(1, 1)
    (tmp_path / "work" / NOTE_FILE).unlink()
    mapped(tmp_path, Endless, ["a", "x", "b"], 1, Redo({1: "ValueError: in the end"}))
    assert written(tmp_path) == [f"{line}\t{n}" for line in "ab" for n in range(3)]
    assert [each["error"] for each in kept(tmp_path)] == ["ValueError: in the end"]


def test_many_pairs_of_a_record_come_in_order(tmp_path: Path) -> None:
    class Many(Mapper):
        def map(self, key: int, line: str) -> Pairs:
            return ((line, number) for number in range(2 * record_feed.MAX_PAIRS))

    mapped(tmp_path, Many, ["a", "b"], 1)
    assert written(tmp_path) == [
        f"{k}\t{n}" for k in "ab" for n in range(2 * record_feed.MAX_PAIRS)
    ]


def test_a_full_disk_is_no_bad_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Aside(Mapper):
        def map(self, key: int, line: str) -> Pairs:
            self.context.output("more").write(line, 1)
            yield line, 1

    def full(*_: object) -> None:
        raise OutputError(f"no room: {errno.ENOSPC}")

    monkeypatch.setattr("mrmesos.task.drivers.named_outputs.NamedOutputs.create", full)
    monkeypatch.setattr("mrmesos.task.drivers.named_outputs._PAIRS_AT_ONCE", 1)
    cls = type(
        "TestJob", (Job,), {"mapper": Aside, "reducer": None, "outputs": {"more": TextOutput()}}
    )
    (tmp_path / "input").write_text("a\nb\n")
    (tmp_path / "work").mkdir()
    conf = {"skip.records.max": "10"}
    made = facts_for(cls, tmp_path / "out", num_reducers=0, conf=conf)
    with pytest.raises(OutputError, match="no room"):
        run_map(map_attempt(tmp_path / "input"), made, cls(), tmp_path / "work")
    assert kept(tmp_path) == []


def test_bytes_are_kept_as_they_are(tmp_path: Path) -> None:
    class Bytes(Mapper):
        def map(self, key: int, line: bytes) -> Pairs:
            yield line.decode(), 1

    cls = type(
        "TestJob",
        (Job,),
        {"mapper": Bytes, "reducer": None, "input_format": TextInput(encoding="")},
    )
    (tmp_path / "input").write_bytes(b"a\n\xff\xfe\n")
    (tmp_path / "work").mkdir()
    conf = {"skip.records.max": "1"}
    made = facts_for(cls, tmp_path / "out", num_reducers=0, conf=conf)
    run_map(map_attempt(tmp_path / "input"), made, cls(), tmp_path / "work")
    [aside] = kept(tmp_path)
    assert base64.b64decode(aside["value"]["base64"]) == b"\xff\xfe"


class Thing:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        "x" * 5_000_000,
        b"x" * 5_000_000,
        ["x" * 100_000] * 100,
        ["x"] * 3_000_000,
        {"x": "y" * 5_000_000},
        {"x": {1, 2}},
        {"x": [b"y"]},
        [[["x" * 1000] * 100] * 100] * 100,
        (1, "x"),
        float("nan"),
        1 << 100,
        Thing(),
        "\udc80\n",
        nested(50),
    ],
)
def test_a_line_is_kept_of_anything_and_is_not_too_long(value: object) -> None:
    error = AttemptError(kind=ErrorKind.USER_CODE, message="m", detail="d" * 16_000)
    line = _line(error, value, value)
    assert "\n" not in line
    assert len(line) < 4.5 * (1 << 20)
    assert json.loads(line)["error"] == "m"


# --- Reduces -------------------------------------------------------------------------------------


class Picky(Reducer):
    """At keys with an x, reads one value, yields one pair, and fails."""

    def reduce(self, key: str, values: Iterator[int]) -> Pairs:
        yield key, next(values)
        if "x" in key:
            raise ValueError(f"cannot use {key!r}")
        yield key, sum(values)


class PickyBatches(BatchReducer):
    def reduce_batch(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        yield batch
        if pc.any(pc.match_substring(batch["key"], "x")).as_py():
            raise ValueError("an x")


def reduced(
    tmp_path: Path, reducer: object, source: Runs, limit: int, redo: Redo | None = None
) -> ReduceResult:
    cls = type("TestJob", (Job,), {"reducer": reducer})
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    made = facts_for(cls, tmp_path / "out", conf={"skip.records.max": str(limit)})
    return run_reduce(reduce_attempt(), made, cls(), work, source, redo=redo)


@pytest.mark.parametrize("reducer", [Picky, PickyBatches])
@pytest.mark.parametrize("batch_rows", [1, 7, 10_000])
def test_keys_a_reducer_fails_at_are_left_out(
    tmp_path: Path, reducer: object, batch_rows: int
) -> None:
    keys = [f"{i:03d}{'x' if i in (0, 50, 51, 99) else ''}" for i in range(100)]
    source = [(key, n) for key in keys for n in range(5)]
    redo = Redo({7: "it crashed"}, [20, 30])
    done = reduced(tmp_path, reducer, Runs(source, batch_rows=batch_rows), 5, redo)
    bad = {keys[i] for i in (0, 7, 50, 51, 99)}
    good = [(key, n) for key, n in source if key not in bad]
    (tmp_path / "good").mkdir()
    reduced(tmp_path / "good", reducer, Runs(good), 0)
    assert written(tmp_path, "r") == written(tmp_path / "good", "r")
    assert done.counters["task"]["REDUCE_SKIPPED_GROUPS"] == 5
    assert done.counters["task"]["REDUCE_INPUT_GROUPS"] == 100
    aside = kept(tmp_path)
    assert [each["key"] for each in aside] == sorted(bad)
    assert all(each["value"] == [0, 1, 2, 3, 4] for each in aside)
    assert aside[1]["error"] == "it crashed"


def test_too_many_keys(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"2 bad records, more than .*=1; the first: .*'x1'"):
        reduced(tmp_path, Picky, Runs([("x1", 1), ("x2", 2)]), 1)


def test_a_broken_disk_is_no_bad_key(tmp_path: Path) -> None:
    class Broken(Runs):
        def _open(self, records: Any) -> Iterator[pa.RecordBatch]:
            yield from super()._open(records)
            raise OSError(errno.EIO, "broken")

    with pytest.raises(OSError, match="broken"):
        reduced(tmp_path, Picky, Broken([("a", n) for n in range(500)], batch_rows=10), 100)
    assert kept(tmp_path) == []


@pytest.mark.parametrize("values", [50, 500])
def test_an_error_of_reading_the_next_key_is_not_blamed_on_a_key(
    tmp_path: Path, values: int
) -> None:
    class Unreadable(Runs):
        def _open(self, records: Any) -> Iterator[pa.RecordBatch]:
            yield from super()._open(records)
            raise RecordTypeError("two types of keys")

    source = [("a", 1)] + [("b", n) for n in range(values)]
    with pytest.raises(RecordTypeError):
        reduced(tmp_path, Picky, Unreadable(source, batch_rows=10), 100)
    assert Note.read(tmp_path / "work" / NOTE_FILE) is None
