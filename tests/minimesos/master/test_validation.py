from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.minimesos.master.validation import (
    give_role,
    invalid_id,
    resources_of_launch,
    same_executor,
    validate_task,
)
from mrmesos.minimesos.model.calls import BadCall, check_scheduler_call, parse_body
from mrmesos.minimesos.model.resources import Json, Resources, parse
from tests.minimesos.cluster import scalar

OFFERED = parse("cpus:4;mem:4096;ports:[31000-31010]").allocate("*")


def task(**changes: Any) -> Json:
    made: Json = {
        "name": "t",
        "task_id": {"value": "t"},
        "agent_id": {"value": "S0"},
        "command": {"value": "true"},
        "resources": [scalar("cpus", 1), scalar("mem", 64)],
        **changes,
    }
    return {name: value for name, value in made.items() if value is not None}


def executor(**changes: Any) -> Json:
    return {
        "executor_id": {"value": "e"},
        "command": {"value": "run"},
        "resources": [scalar("cpus", 0.5)],
        **changes,
    }


def verdict(one: Json, existing: Json | None = None, offered: Resources = OFFERED) -> str | None:
    give_role(one, "*")
    if existing is not None:
        give_role({"executor": existing}, "*")
    return validate_task(
        one,
        framework_id="F",
        agent_id="S0",
        known={"old"}.__contains__,
        existing=existing,
        offered=offered,
    )


def test_good_tasks_are_taken() -> None:
    assert verdict(task()) is None
    assert verdict(task(command=None, executor=executor())) is None
    assert verdict(task(command=None, executor=executor()), executor()) is None
    assert verdict(task(resources=[scalar("cpus", 0), scalar("mem", 0)])) is None


def test_executor_counts_into_its_first_launch_only() -> None:
    big = task(command=None, executor=executor(), resources=[scalar("cpus", 4)])
    assert "Total resources cpus(allocated: *):4.5" in str(verdict(big))
    assert verdict(big, executor()) is None


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (task(task_id={"value": ""}), "ID must not be empty"),
        (task(task_id={"value": "x" * 256}), "ID must not be greater than 255 characters"),
        (task(task_id={"value": ".."}), "'..' is disallowed"),
        (task(task_id={"value": "old"}), "Task has duplicate ID: old"),
        (task(agent_id={"value": "S9"}), "Task uses invalid agent S9 while agent S0 is expected"),
        (task(resources=[]), "Task uses no resources"),
        (task(command=None), "at least one (but not both)"),
        (task(executor=executor()), "at least one (but not both)"),
        (task(command={"shell": True}), "Shell command is not specified"),
        (task(command={"value": "x", "uris": [{"value": ""}]}), "URI must not be empty"),
        (
            task(kill_policy={"grace_period": {"nanoseconds": -1}}),
            "Task's 'kill_policy.grace_period' must be non-negative",
        ),
        (
            task(command=None, executor=executor(executor_id={"value": "a/b"})),
            "'a/b' contains invalid characters",
        ),
        (task(command=None, executor=executor(type="DEFAULT")), "must be 'CUSTOM'"),
        (task(command=None, executor=executor(command=None)), "'ExecutorInfo.command' must be"),
        (
            task(command=None, executor=executor(framework_id={"value": "G"})),
            "ExecutorInfo has an invalid FrameworkID (Actual: G vs Expected: F)",
        ),
        (
            task(
                resources=[
                    {
                        "name": "ports",
                        "type": "RANGES",
                        "ranges": {"range": [{"begin": 31005, "end": 31011}]},
                    }
                ]
            ),
            "ports(allocated: *):[31005-31011] required by task",
        ),
    ],
)
def test_refusals(one: Json, text: str) -> None:
    assert text in str(verdict(one))


@pytest.mark.parametrize(
    "change",
    [
        {"command": {"value": "other"}},
        {"command": {"value": "run", "shell": False}},
        {"command": {"value": "run", "environment": {"variables": [{"name": "A", "value": "1"}]}}},
        {"resources": [scalar("cpus", 0.6)]},
        {"data": "eA=="},
    ],
)
def test_executor_must_stay_the_same(change: Json) -> None:
    assert not same_executor(executor(), executor(**change))
    text = verdict(task(command=None, executor=executor(**change)), executor())
    assert str(text).startswith("ExecutorInfo is not compatible with existing ExecutorInfo")


def test_defaults_that_are_said_make_no_difference() -> None:
    said = executor(command={"value": "run", "shell": True}, name=None)
    assert same_executor(said, executor())


def test_resources_that_are_none_refuse_the_whole_launch() -> None:
    bad = task(resources=[scalar("cpus", -0.001)])
    assert resources_of_launch([task(), bad]) == (
        "Resource 'cpus:-0.001' is invalid: Invalid scalar resource: value <= 0"
    )
    assert resources_of_launch([task()]) is None


@given(st.text(max_size=300))
def test_good_ids_are_good_directory_names(text: str) -> None:
    if invalid_id(text) is None:
        assert 0 < len(text) <= 255
        assert "/" not in text
        assert "\0" not in text
        assert text not in (".", "..")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "framework_id", "value", "accept", "offer_ids", "operations", "subscribe",
                 "framework_info", "acknowledge", "uuid", "launch", "task_infos", "decline"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)  # fmt: skip
KINDS = st.sampled_from(["SUBSCRIBE", "ACCEPT", "DECLINE", "ACKNOWLEDGE", "KILL", "REVIVE", "X"])


@given(st.dictionaries(st.sampled_from(["accept", "subscribe", "kill"]), JSON), KINDS, JSON)
def test_any_call_is_taken_or_refused(body: Json, kind: str, framework_id: Any) -> None:
    said = "Failed to"
    try:
        check_scheduler_call({**body, "type": kind, "framework_id": framework_id})
    except BadCall as error:
        said = str(error)
    assert said.startswith("Failed to")


@given(st.binary(max_size=50))
def test_any_body_is_parsed_or_refused(body: bytes) -> None:
    said = "Failed to"
    try:
        assert isinstance(parse_body(body), dict)
    except BadCall as error:
        said = str(error)
    assert said.startswith("Failed to")
