"""The steps of a chain: their inputs, their order, and their mistakes."""

from __future__ import annotations

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
    Reducer,
    Step,
    TextInput,
    TextOutput,
)
from mrmesos.api.chain import check_chain, last_steps


class One(Job):
    reducer = Reducer


class Two(Job):
    pass


class Both(Job):
    inputs: ClassVar = {"left": Input(TextInput()), "right": Input(TextInput())}


class Named(Job):
    outputs: ClassVar = {"bad": TextOutput()}


def chain(steps: Any) -> type[Chain]:
    return type("C", (Chain,), {"steps": steps})


def test_in_a_list_each_step_reads_the_one_before_it() -> None:
    steps = check_chain(chain([One, Two, One]))
    assert [(s.name, dict(s.reads), s.after) for s in steps] == [
        ("One", {"": ("",)}, ()),
        ("Two", {"": ("One",)}, ("One",)),
        ("One-3", {"": ("Two",)}, ("Two",)),
    ]
    assert last_steps(steps) == {"One-3"}


def test_a_graph_is_sorted() -> None:
    steps = check_chain(
        chain(
            {
                "join": Step(Both, {"left": ("a", "b"), "right": "orders"}, after="clean"),
                "b": Step(Two, "a"),
                "a": One,
                "clean": Step(Two, "old"),
            }
        )
    )
    names = [step.name for step in steps]
    assert names.index("a") < names.index("b") < names.index("join") > names.index("clean")
    join = steps[names.index("join")]
    assert join.after == ("a", "b", "clean")
    assert join.reads == {"left": ("a", "b"), "right": ("orders",)}
    assert last_steps(steps) == {"join", "clean"}


def test_a_job_with_named_inputs_reads_them_by_their_names() -> None:
    [step] = check_chain(chain([Both]))
    assert step.reads == {"left": ("left",), "right": ("right",)}


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([], "C.steps is [], not a list or dict of jobs"),
        ("One", "C.steps is 'One', not a list or dict of jobs"),
        ([One, 3], "C.steps[1]: 3 is not a subclass of mrmesos.api.Job"),
        ({"a b": One}, "C.steps has the name 'a b'; use letters and digits"),
        ({"a": Step(One, "b"), "b": Step(Two, "a")}, "C: the steps wait for each other: a -> b"),
        ({"a": Step(One, after="a")}, "C: the steps wait for each other: a -> a"),
        ({"a": Step(One, after="x")}, "C: step a comes after 'x', which is no step of the chain"),
        (
            {"a": One, "b": Step(Two, ("a", "files"))},
            "C: step b reads steps and files ('a', 'files'); files have a format and steps have "
            "none: give each an input of its own",
        ),
        ({"a": Step(One, {"x": "y"})}, "C: step a names inputs, but One has only one"),
        ({"a": Step(Both, "y")}, "C: step a: Both has the inputs left, right: name each in a dict"),
        ([Named, Two], "C: step Named has named outputs, but another step reads it"),
        ({"a": Step(One, 3)}, "C: step a has 3 where names of steps are expected"),  # type: ignore[arg-type]
    ],
)
def test_mistakes_are_told(steps: Any, message: str) -> None:
    with pytest.raises(JobError) as caught:
        check_chain(chain(steps))
    assert str(caught.value).startswith(message)


def hook(context: HookContext) -> None:
    """Do nothing."""


WRONG: Any = 3


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"before": hook}, "C.before is <function hook"),
        ({"after": hook}, "say where the function runs: InClient(function) or AsTask(function)"),
        ({"after": InClient(WRONG)}, "C.after has 3, which is no function"),
        ({"after": AsTask(hook, conf=WRONG)}, "C.after has conf=3, not a dict of settings"),
        (
            {"steps": {"before": One}, "before": AsTask(hook)},
            "C.before is a hook, and a step is named 'before'; rename the step",
        ),
    ],
)
def test_hooks_that_are_none(more: dict[str, Any], words: str) -> None:
    with pytest.raises(JobError) as told:
        check_chain(type("C", (Chain,), {"steps": [One], **more}))
    assert words in str(told.value)
