from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from mrmesos.api import (
    Aggregate,
    ArrowOutput,
    BatchMapper,
    BatchReducer,
    HashPartitioner,
    Job,
    JobError,
    Mapper,
    ParquetOutput,
    Reducer,
    Sum,
    TextInput,
    TextOutput,
    pairs,
)
from mrmesos.api.context import add_counters
from mrmesos.api.job import check_job, class_settings


def job(**attributes: Any) -> type[Job]:
    return type("Mine", (Job,), attributes)


class Own(Mapper):
    pass


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"mapper": Own, "reducer": Reducer, "combiner": Reducer},
        {"mapper": BatchMapper, "reducer": BatchReducer, "combiner": BatchReducer},
        {"reducer": Sum, "num_reducers": 3},
        {"output_format": ArrowOutput()},
        {"output_format": ParquetOutput(), "input_format": TextInput(encoding="")},
        {"map_output_types": (pa.string(), pa.int64())},
        {"conf": {"map.memory.mb": 2048, "x": True, "y": "z", "f": 0.5}},
        {"num_reducers": 0},
    ],
)
def test_jobs_that_can_run(attributes: dict[str, Any]) -> None:
    check_job(job(**attributes))


@pytest.mark.parametrize(
    ("attributes", "complaint"),
    [
        ({"mapper": None}, "Mine.mapper is None, not a subclass of Mapper or BatchMapper"),
        ({"mapper": Reducer}, "Mine.mapper is Reducer, not"),
        ({"mapper": Own()}, "name the class, not an object of it"),
        ({"mapper": lambda key, value: None}, "not a subclass of Mapper"),
        (
            {"reducer": Own},
            "not a subclass of Reducer, BatchReducer, SortedReducer or an aggregate such as Sum",
        ),
        ({"reducer": Aggregate}, "name one, such as Sum"),
        ({"combiner": Sum, "reducer": Reducer}, "Mine.combiner is Sum, not"),
        ({"combiner": Reducer, "reducer": Sum}, "which combines by itself; remove the combiner"),
        ({"combiner": Reducer}, "Mine has a combiner but no reducer"),
        ({"partitioner": Own}, "not a subclass of Partitioner"),
        ({"partitioner": HashPartitioner()}, "name the class"),
        ({"input_format": TextInput}, "not TextInput()"),
        ({"input_format": TextOutput()}, "not TextInput()"),
        ({"output_format": None}, "not TextOutput() or JsonLinesOutput() or CsvOutput()"),
        ({"num_reducers": -1}, "num_reducers is -1, not a number of tasks"),
        ({"num_reducers": True}, "num_reducers is True"),
        ({"num_reducers": 2}, "has no reducer, so num_reducers = 2 has no meaning"),
        ({"conf": ["x"]}, "not a dict of settings"),
        ({"conf": {"x": None}}, "a setting is text, a number or a bool"),
        ({"map_output_types": pa.string()}, "not a pair of Arrow types"),
    ],
)
def test_jobs_that_cannot(attributes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(JobError) as met:
        check_job(job(**attributes))
    assert complaint in str(met.value)
    assert "\n" not in str(met.value)


@pytest.mark.parametrize("thing", [Mapper, Job(), 3, None])
def test_what_is_no_job_class(thing: Any) -> None:
    with pytest.raises(JobError, match=r"is not a subclass of mrmesos\.api\.Job"):
        check_job(thing)


def test_class_settings_are_text() -> None:
    mine = job(reducer=Sum, num_reducers=4, conf={"a": 1, "b": True, "c": 0.5, "d": "e"})
    expected = {"a": "1", "b": "true", "c": "0.5", "d": "e", "job.reduces": "4"}
    assert class_settings(mine) == expected


def test_counters_add_up() -> None:
    total = {"a": {"x": 1}}
    add_counters(total, {"a": {"x": 2, "y": 3}, "b": {"z": 4}})
    assert total == {"a": {"x": 3, "y": 3}, "b": {"z": 4}}


def test_the_default_classes_pass_records_on() -> None:
    assert list(Mapper().map(1, "x") or ()) == [(1, "x")]
    values: Iterator[int] = iter([1, 2])
    assert list(Reducer().reduce("k", values) or ()) == [("k", 1), ("k", 2)]
    batch = pairs(pa.array([1]), pa.array(["x"]))
    assert batch.schema.names == ["key", "value"]
    assert list(BatchMapper().map_batch(batch) or ()) == [batch]
    assert list(BatchReducer().reduce_batch(batch) or ()) == [batch]
