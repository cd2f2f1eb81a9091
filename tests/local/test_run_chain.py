"""Chains in one process: what a step yields is what the next one gets."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from mrmesos.api import (
    AsTask,
    Chain,
    HookContext,
    InClient,
    Input,
    Job,
    JobError,
    Mapper,
    Reducer,
    Step,
    Sum,
    TextInput,
    TotalOrder,
)
from mrmesos.api.testing import run_job


@dataclasses.dataclass(frozen=True)
class Place:
    """An object that no Arrow type holds as it is."""

    line: int


class Places(Mapper):
    def map(self, key: int, line: str) -> Iterator[tuple[tuple[str, int], Any]]:
        for index, word in enumerate(line.split()):
            yield (word, len(word)), Place(index) if index else [key]


class Index(Job):
    mapper = Places


class Shapes(Mapper):
    def map(self, key: tuple[str, int], value: object) -> Iterator[tuple[str, str]]:
        yield f"{type(key).__name__} {key}", repr(value)


class Look(Job):
    mapper, reducer = Shapes, Reducer


class Kinds(Chain):
    steps: ClassVar = [Index, Look]


def test_types_pass_from_step_to_step() -> None:
    result = run_job(Kinds, ["a rose", "is"], splits=1)
    assert sorted(result.records) == [
        ("tuple ('a', 1)", "[0]"),
        ("tuple ('is', 2)", "[7]"),
        ("tuple ('rose', 4)", "Place(line=1)"),
    ]


class Words(Mapper):
    def map(self, key: int, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            yield word, 1


class Count(Job):
    mapper, reducer = Words, Sum


class Name(Mapper):
    def map(self, key: Any, value: Any) -> Iterator[tuple[Any, str]]:
        yield key, f"{self.context.input_name}={value}"


class Join(Job):
    mapper, reducer = Name, Reducer
    inputs: ClassVar = {"left": Input(TextInput()), "right": Input(TextInput())}


class Graph(Chain):
    steps: ClassVar = {
        "join": Step(Join, {"left": ("one", "two"), "right": "lines"}),
        "one": Count,
        "two": Step(Count, "more"),
        "alone": Step(Count, "more", after="join"),
    }


def test_a_graph_reads_files_and_steps() -> None:
    result = run_job(Graph, {"": ["a b"], "more": ["b b"], "lines": ["x"]}, splits=1)
    assert sorted(result.steps["join"].records, key=repr) == [
        ("a", "left=1"),
        ("b", "left=1"),
        ("b", "left=2"),
        (0, "right=x"),
    ]
    assert dict(result.steps["alone"].records) == {"b": 2}
    with pytest.raises(JobError, match=r"several steps write output: use steps\['"):
        _ = result.records


def test_inputs_are_given_by_name() -> None:
    with pytest.raises(JobError, match="give the inputs of Graph by name: '', 'lines', 'more'"):
        run_job(Graph, ["a b"])


def test_the_error_of_a_step_is_the_users_own() -> None:
    class Bad(Mapper):
        def map(self, key: str, value: int) -> None:
            raise ZeroDivisionError(key)

    class Fails(Job):
        mapper = Bad

    with pytest.raises(ZeroDivisionError, match="a") as caught:
        run_job(type("C", (Chain,), {"steps": [Count, Fails]}), ["a"])
    assert "steps/Count/output/part-r-0000" in caught.value.__notes__[0]


def test_a_list_of_one_step_is_a_chain() -> None:
    result = run_job(type("C", (Chain,), {"steps": [Count]}), ["a a"])
    assert Counter(dict(result.records)) == {"a": 2}


class OneByOne(Job):
    mapper = Words


class Ordered(Job):
    reducer, partitioner = Reducer, TotalOrder


class InOrder(Chain):
    steps: ClassVar = {"words": OneByOne, "ordered": Step(Ordered, "words")}


def test_a_step_in_total_order() -> None:
    result = run_job(InOrder, ["b a d", "c e a"], num_reducers=3)
    parts = [data for name, data in sorted(result.files.items()) if data]
    assert len(parts) > 1
    assert [line.split(b"\t")[0] for line in b"".join(parts).splitlines()] == [
        *map(str.encode, "aabcde")
    ]


def test_hooks_run_once_each() -> None:
    seen: list[str] = []

    def before(context: HookContext) -> None:
        seen.append(f"{context.chain} {len(context.inputs[''])} {context.args}")

    def after(context: HookContext) -> None:
        seen.append(Path(context.output.removeprefix("file://"), "part-r-00000").read_text())

    hooks = {"before": InClient(before), "after": AsTask(after)}
    run_job(type("Hooked", (InOrder,), hooks), ["b a"], num_reducers=1)
    assert seen == ["Hooked 1 Namespace()", "a\t1\nb\t1\n"]

    def broken(context: HookContext) -> None:
        raise KeyError(context.chain)

    with pytest.raises(KeyError, match="Broken"):
        run_job(type("Broken", (InOrder,), {"before": AsTask(broken)}), ["a"])
