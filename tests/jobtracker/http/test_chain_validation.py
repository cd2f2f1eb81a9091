"""Chains that a JobTracker refuses at once."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from mrmesos.jobtracker.http.errors import BadRequest
from mrmesos.jobtracker.http.job_validation import check_chain
from mrmesos.wire.chain import ChainSpec, StepSpec
from tests.wire.specs import job_spec


def step(name: str, *after: str, output: str = "", **job: object) -> StepSpec:
    spec = job_spec(output=output or f"file:///out/{name}", **job)
    return StepSpec(name=name, job=spec, identity="0" * 64, after=after)


def chain(*steps: StepSpec) -> ChainSpec:
    return ChainSpec(name="n", user="u", output="file:///out", data="file:///_data", steps=steps)


def test_a_good_chain_passes() -> None:
    check_chain(chain(step("a"), step("b", "a")))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (chain(step("a"), step("a", output="file:///x")), "two steps of the chain are named a"),
        (chain(step("a", "b"), step("b")), "step a waits for 'b', which is not before it"),
        (chain(step("a", "a")), "step a waits for 'a', which is not before it"),
        (chain(step("../a")), "'../a' is not a valid name of a chain's step"),
        (
            chain(step("a"), step("b", output="file:///out/a")),
            "two steps .* write to file:///out/a",
        ),
        (chain(step("a", inputs=())), "step a: the job has no input"),
        (replace(chain(step("a")), data="data"), "'data' is not a URI"),
        (replace(chain(step("a")), name="n\n"), "the chain's name .* has control characters"),
    ],
)
def test_a_chain_that_could_not_run_is_refused(spec: ChainSpec, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        check_chain(spec)
