"""Steps that only map run in the maps of the next step, and nothing else changes."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrmesos.api import (
    BatchMapper,
    Chain,
    Input,
    Job,
    Mapper,
    Reducer,
    Step,
    Sum,
    TextInput,
    TotalOrder,
    pairs,
)
from mrmesos.api.chain import arranged
from mrmesos.api.job import class_settings
from mrmesos.api.testing import run_job
from mrmesos.client.code.fusing import Into, fused_steps
from mrmesos.conf import Conf


def into(cls: type[Chain], **conf: str) -> dict[str, Into]:
    steps = arranged(cls)
    shared = Conf({name.replace("_", "."): text for name, text in conf.items()})
    confs = {step.name: Conf(class_settings(step.job)).merged(shared) for step in steps}
    return fused_steps(steps, confs)


class Same(Job):
    mapper = Mapper


class Added(Job):
    mapper, reducer = Mapper, Sum


class Large(Job):
    mapper = Mapper
    conf: ClassVar = {"map.memory.mb": 4096}


class Two(Job):
    mapper, reducer = Mapper, Sum
    inputs: ClassVar = {"a": Input(TextInput()), "b": Input(TextInput())}


class Ordered(Job):
    mapper, reducer, partitioner, num_reducers = Mapper, Reducer, TotalOrder, 2


def chain(*steps: Any, **named: Any) -> type[Chain]:
    return type("Made", (Chain,), {"steps": named or list(steps)})


def test_maps_before_a_step_run_in_its_maps() -> None:
    assert into(chain(Same, Added)) == {"Same": Into("Added", "")}
    assert into(chain(Same, Same, Added)) == {
        "Same": Into("Same-2", ""),
        "Same-2": Into("Added", ""),
    }
    two = chain(x=Same, y=Step(Two, {"a": "x", "b": "text"}))
    assert into(two) == {"x": Into("y", "a")}
    assert into(chain(Added, Same)) == {}


@pytest.mark.parametrize(
    "steps",
    [
        chain(x=Same, y=Step(Added, "x"), z=Step(Added, "x")),
        chain(x=Same, y=Step(Added, "x"), z=Step(Added, "in", after="x")),
        chain(x=Same, y=Same, z=Step(Added, ("x", "y"))),
        chain(Large, Added),
        chain(Same, Ordered),
        chain(x=Same, y=Step(Two, {"a": "x", "b": "x"})),
    ],
)
def test_what_would_lose_something_stays_a_job(steps: type[Chain]) -> None:
    assert into(steps) == {}


def test_settings_may_keep_them_apart() -> None:
    assert into(chain(Same, Added), chain_fuse="false") == {}
    assert into(chain(Same, Added), skip_records_max="3") == {}
    assert into(chain(Same, Added), job_name="both") != {}


# Random map-only steps, each of which yields nothing, one or several pairs of any types.

VALUES: list[Callable[[Any], Any]] = [
    lambda value: value,
    lambda value: str(value),
    lambda value: (len(str(value)), str(value)),
    lambda value: {"text": str(value), "long": len(str(value)) > 3},
    lambda value: datetime.date(2026, 1, 1 + len(str(value)) % 28),
    lambda value: [str(value)] * (len(str(value)) % 3),
    lambda value: None,
    lambda value: complex(len(str(value)), 1),  # no Arrow type: it is pickled
    lambda value: b"bytes of %d" % len(str(value)),
    lambda value: 1.5 * len(str(value)),
]


def mapper_of(number: int, value: int, key: int, every: int) -> type[Job]:
    """A step that yields `number` pairs for each record, but none for each `every`-th one."""

    class Changing(Mapper):
        def setup(self) -> None:
            self.seen = 0

        def map(self, had: Any, got: Any) -> Iterator[tuple[Any, Any]]:
            self.seen += 1
            self.context.count("seen", f"by {value}")
            if every and self.seen % every == 0:
                return
            for one in range(number):
                yield str(VALUES[key](had)) + str(one), VALUES[value](got)

        def close(self) -> Iterator[tuple[Any, Any]]:
            if every:
                yield "closed", VALUES[value](self.seen)

    class Changes(Job):
        mapper = Changing

    return Changes


class Swapped(BatchMapper):
    def map_batch(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        size = batch.num_rows
        self.context.count("seen", "batches' rows", size)
        yield pairs(pa.array([f"{n % 7}" for n in range(size)]), pa.array(range(size)))
        yield pairs(pa.nulls(size, pa.string()), pc.add(pa.array(range(size)), 1))


class Swaps(Job):
    mapper = Swapped


class Listed(Reducer):
    def reduce(self, key: Any, values: Any) -> Iterator[tuple[Any, Any]]:
        yield key, sorted(map(repr, values))


class Lists(Job):
    mapper, reducer = Mapper, Listed


changes = st.builds(
    mapper_of,
    st.integers(0, 3),
    st.integers(0, len(VALUES) - 1),
    st.integers(0, len(VALUES) - 1),
    st.integers(0, 3),
)


@settings(max_examples=15)
@given(
    lines=st.lists(st.text("ab ", max_size=8), max_size=12),
    steps=st.lists(changes | st.just(Swaps), min_size=1, max_size=3),
    last=st.sampled_from([Lists, Same]),
)
def test_a_fused_chain_equals_one_that_is_not(
    lines: list[str], steps: list[type[Job]], last: type[Job]
) -> None:
    made = chain(*steps, last)
    one = run_job(made, lines, splits=1)  # as `close` tells how many maps there are
    fused = run_job(made, lines, conf={"chain.fuse": "true"}, splits=1)
    assert len(fused.steps) == 1
    assert sorted(map(repr, fused.records)) == sorted(map(repr, one.records))
    for name, result in one.steps.items():
        counters = fused.counters
        own = (
            counters
            if name in fused.steps
            else {
                group.removeprefix(f"{name}: "): names
                for group, names in counters.items()
                if group.startswith(f"{name}: ")
            }
        )
        assert own.get("seen", {}) == result.counters.get("seen", {}), name
        for counter in ("MAP_INPUT_RECORDS", "MAP_OUTPUT_RECORDS"):
            wanted = result.counters.get("task", {}).get(counter, 0)
            assert own.get("task", {}).get(counter, 0) == wanted, (name, counter)


def test_an_error_of_a_fused_step_names_its_record() -> None:
    class Failing(Mapper):
        def map(self, key: int, line: str) -> Iterator[tuple[int, int]]:
            yield key, int(line)

    class Fails(Job):
        mapper = Failing

    with pytest.raises(ValueError, match="invalid literal") as failed:
        run_job(chain(Fails, Lists), ["1", "x"], conf={"chain.fuse": "true"}, splits=1)
    assert any("input.txt offset 2: record 'x'" in note for note in failed.value.__notes__)

    class Later(Mapper):
        def map(self, key: int, number: int) -> None:
            raise KeyError(number)

    class Fails2(Job):
        mapper = Later

    with pytest.raises(KeyError) as late:
        run_job(chain(Same, Fails2), ["1", "x"], conf={"chain.fuse": "true"}, splits=1)
    assert any("input.txt pair of Same 0: record '1'" in note for note in late.value.__notes__)
