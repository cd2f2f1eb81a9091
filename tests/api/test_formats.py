"""Whole jobs over formats: what mappers see, several inputs, several outputs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from mrmesos.api import (
    BatchMapper,
    CsvInput,
    Input,
    Job,
    JobError,
    JsonLinesInput,
    KeyValueTextInput,
    Mapper,
    ParquetInput,
    ParquetOutput,
    Reducer,
    Sum,
    TextInput,
    TextOutput,
    TotalOrder,
    WholeFileInput,
    pairs,
)
from mrmesos.client.code.inputs import sources_of
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.io.fs.filesystem import InputError, OutputError
from mrmesos.local.run_job import run_job


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    path = tmp_path / "sales.parquet"
    table = pa.table({"who": [f"w{n % 7}" for n in range(5000)], "amount": list(range(5000))})
    pq.write_table(table, path, row_group_size=500)
    return path


class ByRow(Mapper):
    def map(self, key: Any, row: dict[str, Any]) -> Iterable[Any]:
        yield row["who"], row["amount"]


class ByColumn(BatchMapper):
    def map_batch(self, batch: pa.RecordBatch) -> Iterable[pa.RecordBatch]:
        yield pairs(batch.column("who"), batch.column("amount"))


SUMS = {f"w{n}": sum(range(n, 5000, 7)) for n in range(7)}


@pytest.mark.parametrize("mapper_class", [ByRow, ByColumn])
def test_rows_are_dicts_to_a_mapper_and_columns_to_a_batch_mapper(
    parquet: Path, mapper_class: Any
) -> None:
    class Totals(Job):
        mapper, reducer = mapper_class, Sum
        input_format = ParquetInput()

    result = run_job(Totals, parquet, splits=4)
    assert dict(result.records) == SUMS
    assert result.counters["task"]["MAP_INPUT_RECORDS"] == 5000
    read = result.counters["task"]["MAP_INPUT_BYTES"]
    assert parquet.stat().st_size * 0.7 < read <= parquet.stat().st_size


def test_filters_and_columns_travel_with_the_job(parquet: Path) -> None:
    class Late(Job):
        mapper = ByRow
        input_format = ParquetInput(filters=(("amount", ">=", 4990), ("who", "in", ("w1", "w2"))))

    result = run_job(Late, parquet)
    assert sorted(result.records) == sorted(
        (f"w{n % 7}", n) for n in range(4990, 5000) if n % 7 in (1, 2)
    )


def test_a_job_reads_what_another_wrote(tmp_path: Path) -> None:
    class First(Job):
        mapper, reducer = Mapper, Reducer
        input_format = KeyValueTextInput()
        output_format = ParquetOutput()

    class Second(Job):
        input_format = ParquetInput()

    written = run_job(First, ["b\t2", "a\t1", "c"])
    for name, data in written.files.items():
        (tmp_path / name).write_bytes(data)
    assert sorted(run_job(Second, tmp_path).records) == [("a", "1"), ("b", "2"), ("c", "")]


class Numbers(Mapper):
    def map(self, key: Any, value: Any) -> Iterable[Any]:
        yield int(value["n"]), None


@pytest.mark.parametrize("kind", ["parquet", "csv", "whole csv"])
def test_total_order_samples_every_format(tmp_path: Path, kind: str) -> None:
    numbers = [n * 7919 % 20_000 for n in range(20_000)]
    path = tmp_path / "numbers"
    if kind == "parquet":
        pq.write_table(pa.table({"n": numbers}), path, row_group_size=2000)
        fmt: Any = ParquetInput()
    else:
        path.write_text("n\n" + "".join(f"{n}\n" for n in numbers))
        fmt = CsvInput(newlines_in_fields=kind == "whole csv")

    class Sorted(Job):
        mapper, reducer, partitioner, input_format = Numbers, Reducer, TotalOrder, fmt

    result = run_job(Sorted, path, num_reducers=4)
    assert [key for key, _ in result.records] == list(range(20_000))
    assert min(data.count(b"\n") for data in result.files.values()) > 3000


class Named(Mapper):
    def map(self, key: Any, value: Any) -> Iterable[Any]:
        yield self.context.input_name, value


class TwoInputs(Job):
    mapper, reducer = Named, Reducer
    inputs: ClassVar = {"lines": Input(TextInput()), "rows": Input(JsonLinesInput(), Named)}


def test_each_input_has_its_format(tmp_path: Path) -> None:
    result = run_job(TwoInputs, {"lines": ["x", "y"], "rows": '{"a": 1}\n[2]\n'}, num_reducers=1)
    assert result.records == [("lines", "x"), ("lines", "y"), ("rows", {"a": 1}), ("rows", [2])]
    with pytest.raises(JobError, match="by name: lines, rows"):
        run_job(TwoInputs, ["x"])


def test_inputs_are_named_on_the_command_line(tmp_path: Path) -> None:
    sources = sources_of(TwoInputs, ["rows=/b/*", "lines=hdfs://h/a=b", "rows=/c"])
    assert [(each.name, each.uris) for each in sources] == [
        ("lines", ("hdfs://h/a=b",)),
        ("rows", ("file:///b/*", "file:///c")),
    ]
    for given, says in [
        (["lines=/a"], "needs --input rows=URI as well"),
        (["/a"], "has the inputs lines, rows; write --input lines=URI"),
        (["cols=/a"], "write --input lines=URI"),
    ]:
        with pytest.raises(UsageProblem, match=says):
            sources_of(TwoInputs, given)
    (only,) = sources_of(Job, ["/data/year=2026"])
    assert only.uris == ("file:///data/year=2026",)


@pytest.mark.parametrize(
    ("attributes", "says"),
    [
        ({"inputs": [TextInput()]}, "not a dict by name"),
        (
            {"inputs": {"a": TextInput()}},
            r"inputs\['a'\] is TextInput.*, not Input\(",
        ),
        ({"inputs": {"a b": Input(TextInput())}}, "has the name 'a b'"),
        ({"inputs": {"a": Input(cast(Any, TextOutput()))}}, r"inputs\['a'\].format is TextOutput"),
        (
            {"inputs": {"a": Input(TextInput(), cast(Any, Reducer))}},
            "not a subclass of Mapper or BatchMapper",
        ),
        ({"outputs": {"a": TextInput()}}, r"outputs\['a'\] is TextInput.*, not TextOutput"),
        ({"outputs": {"_temporary": TextOutput()}}, "has the name '_temporary'"),
    ],
)
def test_declarations_that_make_no_sense(attributes: dict[str, Any], says: str) -> None:
    with pytest.raises(JobError, match=says):
        run_job(type("Odd", (Job,), attributes), ["x"])


class Sorting(Mapper):
    def map(self, key: Any, line: str) -> Iterable[Any]:
        if line.isdigit():
            yield int(line), None
        else:
            self.context.output("words").write(line, {"letters": len(line)})


class SortedOut(Job):
    mapper = Sorting
    outputs: ClassVar = {"words": ParquetOutput(records=True), "spare": TextOutput()}


def test_a_map_only_job_writes_to_named_outputs() -> None:
    result = run_job(SortedOut, ["1", "two", "three", "4"], splits=1)
    assert sorted(result.files) == ["part-m-00000", "words/part-m-00000.parquet"]
    assert result.files["part-m-00000"] == b"1\n4\n"
    table = pq.read_table(pa.BufferReader(result.files["words/part-m-00000.parquet"]))
    assert table.to_pylist() == [{"letters": 3}, {"letters": 5}]
    assert result.counters["task"]["NAMED_OUTPUT_RECORDS"] == 2


class Ends(Reducer):
    def setup(self) -> None:
        self.seen = self.context.output("seen")
        for n in range(10_000):
            self.seen.write(n, None)

    def reduce(self, key: Any, values: Iterator[Any]) -> Iterable[Any]:
        batch = pairs(pa.array([key]), pa.array([sum(1 for _ in values)]))
        self.seen.write_batch(batch)
        yield key, None


class Lines(Mapper):
    def map(self, key: Any, line: str) -> Iterable[Any]:
        yield line, 1


def test_reducers_write_to_named_outputs_from_beginning_to_end() -> None:
    class Counted(Job):
        mapper, reducer = Lines, Ends
        outputs: ClassVar = {"seen": TextOutput(separator="=")}

    result = run_job(Counted, ["a", "b", "a"], num_reducers=1)
    lines = result.files["seen/part-r-00000"].decode().splitlines()
    assert lines == [*map(str, range(10_000)), "a=2", "b=1"]


def test_outputs_that_cannot_be_written_say_so() -> None:
    class Unknown(SortedOut):
        outputs: ClassVar = {"other": TextOutput()}

    with pytest.raises(JobError, match=r"has no output 'words' in `outputs` \(it has other\)"):
        run_job(Unknown, ["x"])

    class Reduced(SortedOut):
        reducer = Reducer

    with pytest.raises(JobError, match="only its reducer may write to named outputs"):
        run_job(Reduced, ["x"])

    class Wrong(SortedOut):
        outputs: ClassVar = {"words": ParquetOutput(compression="rar")}

    with pytest.raises(OutputError, match=r"words/part-m-00000\.parquet: cannot be written"):
        run_job(Wrong, ["x"])


def test_bad_rows_fail_the_job_or_are_counted() -> None:
    text = {"a.jsonl": '{"n": 1}\n{"n": \n{"n": 3}\n'}

    class Strict(Job):
        mapper, input_format = Numbers, JsonLinesInput()

    with pytest.raises(
        InputError, match=r"a\.jsonl: the row at offset 9 \(line 2\) cannot be read"
    ):
        run_job(Strict, text)

    class Lenient(Job):
        mapper, input_format = Numbers, JsonLinesInput(on_error="skip")

    result = run_job(Lenient, text, splits=1)
    assert [key for key, _ in result.records] == [1, 3]
    assert result.counters["task"]["MAP_SKIPPED_RECORDS"] == 1
    assert result.counters["task"]["MAP_INPUT_RECORDS"] == 2


def test_whole_files_are_named_where_a_mapper_fails(tmp_path: Path) -> None:
    class Broken(Mapper):
        def map(self, key: Any, value: Any) -> Iterable[Any]:
            json.loads(value)
            return ()

    class Files(Job):
        mapper, input_format = Broken, WholeFileInput("utf-8")

    with pytest.raises(json.JSONDecodeError) as caught:
        run_job(Files, {"good.json": "{}", "bad.json": "{"}, splits=1)
    assert "bad.json" in "".join(caught.value.__notes__)


def test_vectorised_json(tmp_path: Path) -> None:
    class Doubled(BatchMapper):
        def map_batch(self, batch: pa.RecordBatch) -> Iterable[pa.RecordBatch]:
            assert batch.schema.names == ["n"]
            yield pairs(batch.column("n"), pc.multiply(batch.column("n"), 2))

    class Typed(Job):
        mapper, input_format = Doubled, JsonLinesInput(types={"n": "int64"})

    lines = [json.dumps({"n": n, "rest": "x" * n}) for n in range(50)]
    assert sorted(run_job(Typed, lines).records) == [(n, 2 * n) for n in range(50)]


@pytest.mark.parametrize("base", [Mapper, BatchMapper])
def test_rows_of_columns_are_named_by_their_number(parquet: Path, base: Any) -> None:
    class Picky(base):  # type: ignore[misc] # either of both
        def map(self, key: Any, row: dict[str, Any]) -> Iterable[Any]:
            assert row["amount"] != 777
            return ()

        def map_batch(self, batch: pa.RecordBatch) -> Iterable[pa.RecordBatch]:
            assert pc.max(batch.column("amount")).as_py() < 4000
            return ()

    class Job1(Job):
        mapper, input_format = Picky, ParquetInput()

    with pytest.raises(AssertionError) as caught:
        run_job(Job1, parquet, splits=1)
    note = "".join(caught.value.__notes__)
    assert "sales.parquet row 777: record {'" in note or "records from row 4000 on" in note
