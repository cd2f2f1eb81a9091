"""Signed pickles: what our jobs wrote comes back, and a file of somebody else runs nothing."""

from __future__ import annotations

import pickle
from fractions import Fraction
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pytest

from mrmesos.access.pickle_keys import (
    DEFAULT_FILE,
    FILE_VARIABLE,
    key_name,
    key_of_token,
    opened,
    own_key,
    sign,
)
from mrmesos.access.tokens import TokenError
from mrmesos.api import (
    ArrowInput,
    ArrowOutput,
    BatchMapper,
    CsvOutput,
    Job,
    Mapper,
    OrcInput,
    OrcOutput,
    ParquetInput,
    ParquetOutput,
    RecordReader,
    Reducer,
    TextOutput,
)
from mrmesos.api.testing import run_job
from mrmesos.conf import Conf
from mrmesos.io.columns.encode import encode_pairs
from mrmesos.io.columns.schema import KEY, PICKLE, VALUE
from mrmesos.io.columns.signed import SIGNED
from mrmesos.io.input.read_back import input_of, output_files, read_file
from mrmesos.io.output.part_notes import NOTE_SUFFIX
from mrmesos.io.output.writer import open_writer
from mrmesos.local import one_job as local

SHAPES = [("total", 3), ("word", "next", 1), None, Fraction(1, 3), {1, 2}, 2**400]
TABLES = [(ArrowOutput, ArrowInput), (ParquetOutput, ParquetInput), (OrcOutput, OrcInput)]


def write(fmt: Any, values: list[Any], path: Path, key: str) -> None:
    path.mkdir()
    writer = open_writer(fmt, fsspec.filesystem("file"), str(path / "part"), key)
    for value in values:  # each in a batch of its own, so types widen and rows are set aside
        writer.write(encode_pairs([1], [value]))
    writer.close()
    (path / f"part{NOTE_SUFFIX}").unlink()


def read(fmt: Any, path: Path, key: str) -> list[Any]:
    found = [
        (given.key_objects(), given.value_objects(), given.foreign)
        for info in output_files(str(path))
        for given in read_file(info, input_of(fmt), records=True, pickle_key=key)
    ]
    return [value for _, values, _ in found for value in values]


@pytest.mark.parametrize("output", [output for output, _ in TABLES])
def test_pickled_values_come_back_with_the_key_and_are_bytes_without(
    output: Any, tmp_path: Path
) -> None:
    write(output(), SHAPES, tmp_path / "out", "ours")
    assert read(output(), tmp_path / "out", "ours") == SHAPES
    for key in ("", "theirs"):
        found = read(output(), tmp_path / "out", key)
        assert [type(each) for each in found] == [
            type(None) if each is None else bytes for each in SHAPES
        ]
    # Other programs that trust the file read the pickles as they are.
    assert pickle.loads(found[0]) == SHAPES[0]


@pytest.mark.parametrize("output", [output for output, _ in TABLES])
def test_columns_of_records_come_back(output: Any, tmp_path: Path) -> None:
    rows = [{"n": 1, "set": {1}}, {"n": 2, "set": {2, 3}}, {"n": 3, "set": None}]
    write(output(records=True), rows, tmp_path / "out", "ours")
    assert read(output(records=True), tmp_path / "out", "ours") == rows


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        return Path.touch, (Path(self.path),)


def test_a_value_that_was_changed_or_put_in_stays_bytes_alone(tmp_path: Path) -> None:
    trap = pickle.dumps(Trap(str(tmp_path / "sprung")))
    good = sign("ours", pickle.dumps((1,)))
    bad = [trap, trap + good[-16:], good[:-1] + b"x", b"", sign("theirs", trap)]
    mark = PICKLE | {SIGNED: key_name("ours").encode()}
    schema = pa.schema([pa.field(KEY, pa.int64()), pa.field(VALUE, pa.binary(), metadata=mark)])
    values = [good, *bad, None]
    batch = pa.record_batch([pa.array(range(7)), pa.array(values)], schema=schema)
    (tmp_path / "out").mkdir()
    with pa.ipc.new_file(tmp_path / "out" / "part.arrow", schema) as file:
        file.write_batch(batch)
    assert read(ArrowOutput(), tmp_path / "out", "ours") == [(1,), *bad, None]
    assert not (tmp_path / "sprung").exists()


def marked(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, metadata=PICKLE | {SIGNED: b"0123456789abcdef"})


def traps(path: Path) -> dict[str, pa.Table]:
    """Files that say at each depth that they hold pickles."""
    trap = pickle.dumps(Trap(str(path)))
    inner = pa.struct([marked("x", pa.binary())])
    kinds = {
        "value": (marked("value", pa.binary()), trap),
        "struct": (pa.field("value", inner), {"x": trap}),
        "list": (pa.field("value", pa.list_(marked("item", pa.binary()))), [trap]),
        "map": (pa.field("value", pa.map_(pa.string(), marked("v", pa.binary()))), [("a", trap)]),
        "both": (marked("value", inner), {"x": trap}),
    }
    return {
        name: pa.Table.from_arrays(
            [pa.array([1], pa.int64()), pa.array([value], field.type)],
            schema=pa.schema([pa.field("key", pa.int64()), field]),
        )
        for name, (field, value) in kinds.items()
    }


class Columns(BatchMapper):
    """Passes on the columns of the file, marks and all."""


class Own(BatchMapper):
    def map_batch(self, batch: pa.RecordBatch) -> Any:
        return pa.ipc.open_file(self.context.args.file).read_all().to_batches()


class OwnReader(RecordReader):
    def read(self, split: Any) -> Any:
        with split.open() as file:
            yield from pa.ipc.open_file(pa.py_buffer(file.read())).read_all().to_batches()


class First(Reducer):
    def reduce(self, key: Any, values: Any) -> Any:
        yield key, next(values)


WAYS: list[tuple[Any, Any]] = [
    (ArrowInput(), Mapper),
    (ArrowInput(), Columns),
    (ArrowInput(), Own),
    (OwnReader(), Mapper),
]


@pytest.mark.parametrize("name", ["value", "struct", "list", "map", "both"])
@pytest.mark.parametrize("reducer", [None, First])
def test_a_foreign_file_runs_nothing_whatever_it_says(
    name: str, reducer: type | None, tmp_path: Path
) -> None:
    path = tmp_path / "in.arrow"
    table = traps(tmp_path / "sprung")[name]
    with pa.ipc.new_file(path, table.schema) as file:
        file.write_table(table)

    class Pass(Job):
        @classmethod
        def add_arguments(cls, parser: Any) -> None:
            parser.add_argument("--file", default=str(path))

    Pass.reducer = reducer
    text = CsvOutput(records=True) if name in ("struct", "both") else TextOutput()
    for Pass.input_format, Pass.mapper in WAYS:
        for fmt in (text, ArrowOutput()):
            Pass.output_format = fmt
            result = run_job(Pass, path, splits=1, num_reducers=1)
            assert len(result.records) == 1
            if fmt is not text:
                (data,) = result.files.values()
                own = pa.ipc.open_file(pa.py_buffer(data)).schema.field("value").metadata or {}
                assert SIGNED not in own, "nothing foreign is signed"
    assert not (tmp_path / "sprung").exists()


class Shapes(Mapper):
    def map(self, key: Any, line: Any) -> Any:
        yield line, ("total", 3)
        yield line, ("word", "next", 1)


class Chained(Job):
    mapper, output_format = Shapes, ArrowOutput()
    reducer = None


class Again(Mapper):
    def map(self, key: Any, value: Any) -> Any:
        yield key, f"{type(value).__name__}{len(value)}"


@pytest.mark.parametrize("mapper", [Again, Columns])
def test_the_next_job_gets_the_objects(mapper: type, tmp_path: Path) -> None:
    made = run_job(Chained, ["a"])
    assert made.counters["task"]["PICKLED_RECORDS"] == 2
    for name, data in made.files.items():
        (tmp_path / name).write_bytes(data)
    job = type("Next", (Job,), {"mapper": mapper, "reducer": None, "input_format": ArrowInput()})
    found = [value for _, value in run_job(job, tmp_path).records]
    expected: list[Any] = [("total", 3), ("word", "next", 1)]
    assert found == (["tuple2", "tuple3"] if mapper is Again else expected)


def test_of_another_key_they_are_bytes_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, data in run_job(Chained, ["a"]).files.items():
        (tmp_path / name).write_bytes(data)
    monkeypatch.setattr(local, "_PICKLE_KEY", "another")
    job = type("Next", (Job,), {"mapper": Again, "reducer": None, "input_format": ArrowInput()})
    result = run_job(job, tmp_path)
    assert [value[:5] for _, value in result.records] == ["bytes", "bytes"]
    assert result.counters["task"]["FOREIGN_PICKLES"] == 2


def test_parts_that_only_differ_are_pickled_and_signed_by_the_commit(tmp_path: Path) -> None:
    class Lengths(Mapper):
        def map(self, key: Any, line: Any) -> Any:
            yield line, tuple(line)

    job = type("Job2", (Job,), {"mapper": Lengths, "reducer": None, "output_format": ArrowOutput()})
    made = run_job(job, {"a.txt": "ab\n", "b.txt": "abc\n"}, splits=2)
    assert len(made.files) == 2
    for name, data in made.files.items():
        (tmp_path / name).write_bytes(data)
    back = type("Next", (Job,), {"mapper": Again, "reducer": None, "input_format": ArrowInput()})
    assert sorted(value for _, value in run_job(back, tmp_path).records) == ["tuple2", "tuple3"]


def test_a_users_key_is_made_once_and_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    made = own_key(Conf(), {})
    path = Path(DEFAULT_FILE).expanduser()
    assert own_key(Conf(), {}) == made
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().strip() not in made
    assert own_key(Conf(), {FILE_VARIABLE: str(tmp_path / "other")}) != made
    path.chmod(0o644)
    with pytest.raises(TokenError, match="mode 644"):
        own_key(Conf(), {})


def test_without_a_home_a_key_lasts_for_one_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "none" / "of" / "these"))
    assert own_key(Conf(), {}) != own_key(Conf(), {})
    assert not list(tmp_path.iterdir())


def test_keys_of_tokens_differ_and_hide_them() -> None:
    one, other = key_of_token("token-one-token-one"), key_of_token("token-two-token-two")
    assert one != other
    assert "token" not in one
    assert opened(one, sign(one, b"x")) == b"x"
    assert opened(other, sign(one, b"x")) is None
    assert key_name(one) not in one
