"""Files of columns that cannot be read: the error has file, place, column and advice."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe
import pytest
from pyarrow import orc

from mrmesos.api.formats import ArrowInput, OrcInput, ParquetInput
from mrmesos.api.job import Job
from mrmesos.api.tasks import BatchMapper, Mapper, Reducer
from mrmesos.io.fs.filesystem import InputError
from mrmesos.io.input.formats.damage import in_unit, opened
from mrmesos.local.run_job import run_job
from tests.io.input.formats.cutting import batches, whole
from tests.io.input.formats.test_tables import KINDS, write_arrow

TABLE = pa.table({"n": list(range(3000)), "t": [f"text {n}" for n in range(3000)]})


def records(path: Path, given: Any) -> list[Any]:
    class Show(Job):
        mapper, reducer, input_format = Mapper, None, given

    return run_job(Show, path, splits=1).records


def refused(path: Path, fmt: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        records(path, fmt)


def test_a_damaged_page_names_row_group_and_column(tmp_path: Path) -> None:
    path = tmp_path / "data"
    pq.write_table(TABLE, path, row_group_size=1000, compression="zstd", use_dictionary=False)
    column = pq.ParquetFile(path).metadata.row_group(1).column(1)
    data = bytearray(path.read_bytes())
    middle = column.data_page_offset + column.total_compressed_size // 2
    data[middle : middle + 40] = bytes(40)
    path.write_bytes(data)
    refused(path, ParquetInput(), r"/data: .* as Parquet: row group 2 of 3, column 't': .*damaged")
    assert len(records(path, ParquetInput(columns=("n",)))) == 3000


def test_a_damaged_record_batch_names_its_column(tmp_path: Path) -> None:
    path = tmp_path / "data"
    with pa.ipc.new_file(
        path, TABLE.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")
    ) as w:
        w.write_table(TABLE, max_chunksize=1000)
    data = path.read_bytes()
    frames = data.split(b"\x28\xb5\x2f\xfd")
    frames[-1] = frames[-1][:20] + bytes(60) + frames[-1][80:]  # the last: values of t
    path.write_bytes(b"\x28\xb5\x2f\xfd".join(frames))
    refused(path, ArrowInput(), r"record batch 3 of 3, column 't'")


def test_a_bad_value_names_row_and_column(tmp_path: Path) -> None:
    path = tmp_path / "data"
    table = pa.table({"n": list(range(100)), "t": [f"text{n:03}" for n in range(100)]})
    pq.write_table(table, path, row_group_size=50, use_dictionary=False, compression="none")
    path.write_bytes(path.read_bytes().replace(b"text077", b"te\xff\xff077"))
    refused(path, ParquetInput(), r"row group 2 of 2, column 't', row 77: Invalid UTF8")
    with pytest.raises(InputError, match=r"row group 2 of 2, column 't', row 77"):
        batches(whole(path), ParquetInput(), records=False)


@pytest.mark.parametrize(("fmt", "write"), KINDS[:3], ids=["parquet", "arrow", "stream"])
def test_a_column_that_is_there_twice(tmp_path: Path, fmt: Any, write: Any) -> None:
    path = tmp_path / "data"
    columns = [pa.array([1]), pa.array([2]), pa.array([3])]
    write(pa.Table.from_arrays(columns, ["a", "b", "a"]), path, 10)
    refused(
        path, fmt, r"/data: has 2 columns named 'a', and a row can hold one; name the other columns"
    )
    assert records(path, type(fmt)(columns=("b",))) == [(0, {"b": 2})]
    other = tmp_path / "other"
    write(pa.table({"c": [1]}), other, 10)
    refused(tmp_path, fmt, r"/data: has 2 columns named 'a'")
    twice = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], ["x", "x"])
    write(pa.table({"s": twice}), path, 10)
    refused(path, fmt, r"the column 's' has two fields named 's.x'")


def test_files_of_other_formats_are_named(tmp_path: Path) -> None:
    path = tmp_path / "data"
    orc.write_table(TABLE, path)
    refused(path, ParquetInput(), r"those of an ORC file; read it with OrcInput\(\)")
    pq.write_table(TABLE, path)
    refused(path, ArrowInput(), r"those of a Parquet file; read it with ParquetInput\(\)")
    path.write_bytes(b"\x1f\x8b\x08" + bytes(100))
    refused(path, OrcInput(), r"those of gzip data; .*decompress it")
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n")
    refused(path, ParquetInput(), r"a pointer of Git LFS; fetch the file itself")


class Kms(pe.KmsClient):  # type: ignore[misc]  # pyarrow has no types
    def __init__(self, _: Any) -> None:
        super().__init__()

    def wrap_key(self, key: bytes, name: str) -> str:
        return base64.b64encode(key).decode()

    def unwrap_key(self, wrapped: str, name: str) -> bytes:
        return base64.b64decode(wrapped)


@pytest.mark.parametrize("plaintext_footer", [True, False])
def test_encrypted_files_say_so(tmp_path: Path, plaintext_footer: bool) -> None:
    path = tmp_path / "data"
    config = pe.EncryptionConfiguration(
        footer_key="f", column_keys={"c": ["t"]}, plaintext_footer=plaintext_footer
    )
    made = pe.CryptoFactory(Kms).file_encryption_properties(pe.KmsConnectionConfig(), config)
    with pq.ParquetWriter(path, TABLE.schema, encryption_properties=made) as writer:
        writer.write_table(TABLE)
    refused(path, ParquetInput(), r"it is encrypted, and mrmesos takes no keys")


def test_files_without_columns_or_rows(tmp_path: Path) -> None:
    path = tmp_path / "data"
    pq.write_table(pa.table({}), path)
    assert records(path, ParquetInput()) == []
    with pq.ParquetWriter(path, TABLE.schema):
        pass
    assert pq.ParquetFile(path).num_row_groups == 0
    assert records(path, ParquetInput()) == []
    refused(path, ParquetInput(columns=("m",)), "has no column 'm', but n, t")
    write_arrow(pa.table({}), path, 1)
    assert records(path, ArrowInput()) == []


def test_too_little_memory_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"x")
    with pytest.raises(MemoryError), opened(str(path), "Parquet"), in_unit("row group 1 of 1"):
        raise pa.ArrowMemoryError("malloc of size 99 failed")


FAR = 2_932_897  # days: the first of January of the year 10000
TOO_FAR = [
    (pa.array([0, FAR], pa.date32()), "'c': 2932897 days as date32"),
    (pa.array([0, 2**40], pa.timestamp("s")), "'c': 1099511627776 s as timestamp"),
    (pa.array([0, -(2**60)], pa.timestamp("us", "UTC")), "'c': -1152921504606846976 us"),
    (pa.array([0, 2**62], pa.duration("s")), "outside 999,999,999 days"),
    (pa.array([0, 0], pa.timestamp("us", "Mars/Base")), "know the time zone 'Mars/Base'"),
    (pa.array([{"d": 0}, {"d": FAR}], pa.struct([("d", pa.date32())])), "'c.d': 2932897 days"),
    (pa.array([[0], [FAR]], pa.list_(pa.date32())), "'c': 2932897 days"),
]


@pytest.mark.parametrize(("column", "said"), TOO_FAR, ids=[str(c.type) for c, _ in TOO_FAR])
def test_times_that_python_cannot_hold_name_row_and_column(
    tmp_path: Path, column: pa.Array, said: str
) -> None:
    path = tmp_path / "data"
    write_arrow(pa.table({"n": [1, 2], "c": column}), path, 10)
    row = 0 if "zone" in said else 1
    refused(path, ArrowInput(), rf"/data row {row}: the column .*{said}")
    assert records(path, ArrowInput(columns=("n",))) == [(0, {"n": 1}), (1, {"n": 2})]


class Itself(BatchMapper):
    def map_batch(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        keys = pa.array(range(batch.num_rows))
        yield pa.RecordBatch.from_arrays([keys, batch.to_struct_array()], ["key", "value"])


RUNS = pa.RunEndEncodedArray.from_arrays(pa.array([2], pa.int32()), pa.array(["x"]))
UNUSUAL = [
    (pa.array([(1, 2, 3), None], pa.month_day_nano_interval()), [(1, 2, 3), None]),
    (pa.array([np.float16(1.5), None], pa.float16()), [1.5, None]),
    (pa.array(["a", None]).dictionary_encode(), ["a", None]),
    (RUNS, ["x", "x"]),
    (
        pa.array(["long enough for a view", None], pa.string_view()),
        ["long enough for a view", None],
    ),
    (pa.array([[b"a"], None], pa.list_(pa.binary_view())), [[b"a"], None]),
    (pa.array([[1], None], pa.list_view(pa.int64())), [[1], None]),
    (pa.array(['{"a": 1}', None], pa.json_(pa.string())), ['{"a": 1}', None]),
    (pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, None], pa.int8())), [True, None]),
]


@pytest.mark.parametrize(("column", "wanted"), UNUSUAL, ids=[str(c.type) for c, _ in UNUSUAL])
@pytest.mark.parametrize("mapper", [Mapper, Itself])
def test_unusual_types_reach_the_reducer(
    tmp_path: Path, column: pa.Array, wanted: list[Any], mapper: Any
) -> None:
    class All(Reducer):
        def reduce(self, key: int, values: Iterator[Any]) -> Iterator[tuple[int, Any]]:
            for value in values:
                yield key, value["c"]

    class Given(Job):
        reducer, input_format = All, ArrowInput()

    Given.mapper = mapper
    path = tmp_path / "data"
    write_arrow(pa.table({"c": column}), path, 10)
    assert sorted(run_job(Given, path).records) == list(enumerate(wanted))


def test_columns_that_are_nested_too_deeply(tmp_path: Path) -> None:
    path = tmp_path / "data"
    deep: Any = 1
    for _ in range(70):
        deep = {"in": deep}
    pq.write_table(pa.table({"n": [1], "c": [deep]}), path)
    refused(path, ParquetInput(), r"'c' is nested 70 levels deep, and at most 60 can travel")
    assert records(path, ParquetInput(columns=("n",))) == [(0, {"n": 1})]
    lists = pa.array([1])
    for _ in range(60):
        lists = pa.ListArray.from_arrays([0, 1], lists)
    pq.write_table(pa.table({"c": lists}), path)
    refused(path, ParquetInput(), r"too deeply nested.*flatten its columns")
