"""No Arrow kernel gets or returns nearly as much data as its 32-bit offsets can count.

Around 2 GiB of text Arrow's sort, take and join of chunks fail, and its group_by aborts the
process. Here the engine's own limit, half of that, is lowered to 32 MiB. Jobs over 160 MB then go
through maps, spills, merges and reduces, with every kernel call watched.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mrmesos.api import BatchMapper, Count, Job, Mapper, Max, Reducer, pairs
from mrmesos.io.columns.schema import MAX_KERNEL_BYTES
from mrmesos.local.run_job import run_job

MIB = 1 << 20
LOWERED = 32 * MIB
DANGER = 2 * LOWERED
"""The same share of the lowered limit as 2 GiB of the real one."""
_SETTINGS = {"io.sort.mb": 4096, "map.output.compress.codec": "none"}
_RELATIVES = (pa.Array, pa.ChunkedArray, pa.RecordBatch, pa.Table)


class Watch:
    """Sizes of the arguments and results of kernel calls; the largest of each function."""

    def __init__(self) -> None:
        self.largest: dict[str, int] = {}

    def see(self, name: str, things: Any) -> None:
        """Add up the Arrow data among some things."""
        size = sum(thing.nbytes for thing in things if isinstance(thing, _RELATIVES))
        self.largest[name] = max(size, self.largest.get(name, 0))

    def over(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap the function so that its calls are watched."""

        @functools.wraps(function)
        def watched(*args: Any, **named: Any) -> Any:
            flat = [x for arg in args for x in (arg if isinstance(arg, list | tuple) else (arg,))]
            self.see(name, flat)
            result = function(*args, **named)
            self.see(name, (result,))
            return result

        return watched


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """Watch all kernel calls with a lowered limit. At the end, check that none was too large."""
    watch = Watch()
    for name, function in vars(pc).copy().items():
        if inspect.isfunction(function) and not name.startswith("_") and name != "binary_length":
            monkeypatch.setattr(pc, name, watch.over(name, function))
    for name in ("call_function", "take"):  # by these go methods of arrays, which are built in
        monkeypatch.setattr(pc, name, watch.over(name, getattr(pc, name)))
    for name in ("concat_batches", "concat_arrays", "concat_tables"):
        monkeypatch.setattr(pa, name, watch.over(name, getattr(pa, name)))
    aggregate = pa.TableGroupBy.aggregate

    def grouped(self: Any, *args: Any, **named: Any) -> Any:
        watch.see("group_by", (self._table,))
        return aggregate(self, *args, **named)

    monkeypatch.setattr(pa.TableGroupBy, "aggregate", grouped)
    _lower(monkeypatch)
    yield watch
    assert watch.largest
    assert {name: size for name, size in watch.largest.items() if size >= DANGER} == {}


def _lower(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lower MAX_KERNEL_BYTES wherever it has been imported, or is a default."""
    lowered = 0
    modules = [module for name, module in sys.modules.items() if name.startswith("mrmesos.")]
    for module in modules:
        if hasattr(module, "MAX_KERNEL_BYTES"):
            monkeypatch.setattr(module, "MAX_KERNEL_BYTES", LOWERED)
        owners = [module, *(each for each in vars(module).values() if inspect.isclass(each))]
        for function in [each for owner in owners for each in vars(owner).values()]:
            if not inspect.isfunction(function) or not function.__module__.startswith("mrmesos."):
                continue
            names = inspect.signature(function).parameters
            if "max_bytes" not in names or names["max_bytes"].default != MAX_KERNEL_BYTES:
                continue
            lowered += 1
            defaults = tuple(
                LOWERED if value == MAX_KERNEL_BYTES else value
                for value in function.__defaults__ or ()
            )
            named = dict(function.__kwdefaults__ or {})
            if "max_bytes" in named:
                named["max_bytes"] = LOWERED
            monkeypatch.setattr(function, "__defaults__", defaults or None)
            monkeypatch.setattr(function, "__kwdefaults__", named or None)
    assert lowered


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """160 MB: lines of a key of ten bytes that hardly repeats, a tab and 89 bytes."""
    rng = np.random.default_rng(5)
    path = tmp_path / "lines.txt"
    with path.open("wb") as file:
        for _ in range(16):
            block = rng.integers(97, 123, (100_000, 100), np.uint8)
            block[:, 10], block[:, 99] = 9, 10
            file.write(block.tobytes())
    return path


ROWS = 1_600_000


class _Split(BatchMapper):
    def map_batch(self, batch: pa.RecordBatch) -> Any:
        value = batch.column("value")
        yield pairs(pc.utf8_slice_codeunits(value, 0, 10), pc.utf8_slice_codeunits(value, 11, 99))


class _AtOnce(BatchMapper):
    """Yields all its records as one batch."""

    def setup(self) -> None:
        self.seen: list[pa.Array] = []

    def map_batch(self, batch: pa.RecordBatch) -> None:
        self.seen.append(batch.column("value"))

    def close(self) -> Any:
        # Not through pa.concat_arrays: that is the user's doing here, and is not watched.
        whole = pa.chunked_array(self.seen).combine_chunks()
        yield pairs(self.key(whole), whole)

    def key(self, whole: pa.Array) -> pa.Array:
        return whole


class _Dictionary(_AtOnce):
    """A value of 100 kB, 2,000 times, in a batch of a few bytes."""

    def close(self) -> Any:
        long = pa.DictionaryArray.from_arrays(
            pa.array(np.zeros(2_000, np.int32)), pa.array(["x" * 100_000])
        )
        yield pairs(pa.array(range(2_000)), long)


class _Tuples(Mapper):
    def map(self, key: int, line: str) -> Iterator[tuple[tuple[str, str], str]]:
        yield (line[:1], line[1:10]), line[11:]


class _OneKey(_Split):
    def map_batch(self, batch: pa.RecordBatch) -> Any:
        value = batch.column("value")
        yield pairs(pa.array(["k"]).take(pa.array(np.zeros(len(value), np.int32))), value)


class _Number(Reducer):
    def reduce(self, key: Any, values: Iterator[Any]) -> Iterator[tuple[Any, int]]:
        yield key, sum(1 for _ in values)


def _job(mapper_class: type, reducer_class: type, combiner_class: type | None = None) -> type[Job]:
    class Watched(Job):
        mapper, reducer, combiner = mapper_class, reducer_class, combiner_class

    return Watched


@pytest.mark.slow
@pytest.mark.timeout(600)  # 1.6 million records one by one take minutes on a busy machine
@pytest.mark.parametrize(
    ("mapper", "reducer", "combiner"),
    [
        (_Split, _Number, None),
        (_Split, Max, None),
        (_Tuples, _Number, None),
        (_AtOnce, _Number, None),
        (_AtOnce, _Number, _Number),
        (_AtOnce, Count, None),
        (_OneKey, _Number, None),
        (_OneKey, Max, None),
        (_Dictionary, _Number, None),
    ],
)
def test_no_kernel_sees_more_than_it_can_count(
    watch: Watch, lines: Path, mapper: type, reducer: type, combiner: type | None
) -> None:
    result = run_job(
        _job(mapper, reducer, combiner), lines, conf=_SETTINGS, splits=2, num_reducers=2
    )
    task = result.counters["task"]
    assert task["MAP_INPUT_RECORDS"] == ROWS
    if reducer is _Number:
        rows = 4_000 if mapper is _Dictionary else ROWS
        assert sum(number for _, number in result.records) == rows


@pytest.mark.slow
def test_the_watch_sees_what_it_is_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch()
    monkeypatch.setattr(pc, "take", watch.over("take", pc.take))
    text = pa.array(["x" * 1000] * 1000)
    text.take(pa.array([1]))
    assert watch.largest == {"take": text.nbytes + 8}
