"""A misspelt method or attribute is refused before the job starts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mrmesos.api import (
    BatchMapper,
    BatchReducer,
    HashPartitioner,
    Input,
    Job,
    JobError,
    Mapper,
    Partitioner,
    Reducer,
    SortedReducer,
    Sum,
    TextInput,
    TextOutput,
    TotalOrder,
)
from mrmesos.api.job import check_job

Base = type[Any]


def method(self: Any, *_: Any) -> Iterator[tuple[Any, Any]]:
    yield "key", 1


def task(base: Base, **methods: Any) -> Base:
    return type("Own", (base,), methods)


def job(**attributes: Any) -> type[Job]:
    return type("Mine", (Job,), attributes)


ROLES: tuple[tuple[str, Base, str], ...] = (
    ("mapper", Mapper, "map"),
    ("mapper", BatchMapper, "map_batch"),
    ("reducer", Reducer, "reduce"),
    ("reducer", BatchReducer, "reduce_batch"),
    ("reducer", SortedReducer, "reduce_sorted"),
    ("combiner", Reducer, "reduce"),
    ("partitioner", Partitioner, "partition"),
)


def with_role(role: str, cls: Base) -> type[Job]:
    return job(**{"reducer": Reducer, role: cls})


@pytest.mark.parametrize(("role", "base", "name"), ROLES)
def test_the_right_name_and_no_name_are_allowed(role: str, base: Base, name: str) -> None:
    check_job(with_role(role, task(base, **{name: method})))
    check_job(with_role(role, task(base)))


@pytest.mark.parametrize(("role", "base", "name"), ROLES)
@pytest.mark.parametrize("change", ["{}p", "do_{}", "{}_record", "{}s", "on_{}"])
@pytest.mark.parametrize("others", [(), ("setup",), ("close",)])
def test_a_misspelt_name_is_refused(
    role: str, base: Base, name: str, change: str, others: tuple[str, ...]
) -> None:
    if base in (SortedReducer, Partitioner):
        others = tuple(each for each in others if each != "close")  # they have no close()
    wrong = change.format(name)
    cls = task(base, **dict.fromkeys((wrong, *others), method))
    says = rf"Mine\.{role} is Own, a {base.__name__} that defines {wrong}\(\), .* mean {name}\(\)"
    with pytest.raises(JobError, match=says):
        check_job(with_role(role, cls))


@pytest.mark.parametrize("wrong", ["mapper", "mapp", "Map", "mapping", "reduce", "map_batch"])
def test_other_names_of_map(wrong: str) -> None:
    with pytest.raises(JobError, match=r"did you mean map\(\)\?"):
        check_job(job(mapper=task(Mapper, **{wrong: method})))


def test_a_class_of_helpers_alone_is_refused() -> None:
    says = r"defines words\(\), which nothing calls, and not map\(\); define map\(\)"
    with pytest.raises(JobError, match=says):
        check_job(job(mapper=task(Mapper, words=method)))


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("cleanup", "close"),
        ("mapper_final", "close"),
        ("tearDown", "close"),
        ("closes", "close"),
        ("setUp", "setup"),
        ("mapper_init", "setup"),
        ("configure", "setup"),
    ],
)
def test_other_programs_names_of_setup_and_close(wrong: str, right: str) -> None:
    with pytest.raises(JobError, match=rf"defines {wrong}\(\), .* mean {right}\(\)\?"):
        check_job(job(mapper=task(Mapper, map=method, **{wrong: method})))
    check_job(job(mapper=task(Mapper, **dict.fromkeys(("map", right, wrong), method))))


def test_a_sorted_reducer_has_no_close() -> None:
    cls = task(SortedReducer, reduce_sorted=method, close=method)
    with pytest.raises(JobError, match=r"close\(\), .* end the work in reduce_sorted\(\)"):
        check_job(job(reducer=cls))


class Helpers:
    def mapping(self, value: Any) -> Any:
        return value


class Helped(Helpers, Mapper):
    """Its helpers are called: one by map, one within a function, one only by a property."""

    def map(self, key: Any, value: Any) -> Iterator[tuple[Any, Any]]:
        yield from (self.cleanup(word) for word in self.mapping(value))

    def cleanup(self, word: str) -> tuple[str, int]:
        return word, self.number

    @property
    def number(self) -> int:
        return self.configure()

    def configure(self) -> int:
        return 1


class OnlySetup(Mapper):
    def setup(self) -> None:
        self.prepare()

    def prepare(self) -> None:
        pass


class Both(Mapper, Reducer):
    def map(self, key: Any, value: Any) -> Iterator[tuple[Any, Any]]:
        yield key, value

    def reduce(self, key: Any, values: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
        yield key, sum(values)


def test_helpers_that_are_called_are_no_mistakes() -> None:
    check_job(job(mapper=Helped))
    check_job(job(mapper=OnlySetup))
    check_job(job(mapper=Both, reducer=Both, combiner=Both))
    check_job(job(mapper=task(Helped)))


@pytest.mark.parametrize("base", [HashPartitioner, TotalOrder])
def test_partitioners_without_a_method_of_their_own(base: Base) -> None:
    check_job(job(reducer=Sum, partitioner=task(base, samples=10)))


def test_the_mapper_of_an_input_is_checked_too() -> None:
    given = Input(TextInput(), task(Mapper, mapp=method))
    with pytest.raises(JobError, match=r"inputs\['a'\]\.mapper is Own, a Mapper that defines mapp"):
        check_job(job(inputs={"a": given}))


@pytest.mark.parametrize(
    ("wrong", "value", "right"),
    [
        ("maper", Mapper, "mapper"),
        ("mappers", Mapper, "mapper"),
        ("Mapper", Mapper, "mapper"),
        ("reduce", Reducer, "reducer"),
        ("combine", Reducer, "combiner"),
        ("partitionr", HashPartitioner, "partitioner"),
        ("input_formats", TextInput(), "input_format"),
        ("outputformat", TextOutput(), "output_format"),
        ("num_reduces", 3, "num_reducers"),
        ("sort_value", True, "sort_values"),
        ("output", {"a": TextOutput()}, "outputs"),
        ("config", {"job.maps": 2}, "conf"),
    ],
)
def test_a_misspelt_attribute_of_a_job_is_refused(wrong: str, value: Any, right: str) -> None:
    with pytest.raises(JobError, match=rf"Mine: the attribute {wrong} .* mean {right}\?"):
        check_job(job(**{wrong: value}))


@pytest.mark.parametrize(
    "attributes",
    [
        {"threshold": 3, "words": {"a": 1}, "source": TextInput()},
        {"Mapper": Helped, "mapper": Helped},
        {"output": "/data/out", "inputs_of": 3},
        {"first_mapper": Mapper, "second_mapper": Mapper},
    ],
)
def test_attributes_of_the_authors_own(attributes: dict[str, Any]) -> None:
    check_job(job(**attributes))
