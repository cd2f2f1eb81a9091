"""Hooks of chains that run in the client's process."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from mrmesos.api import HookContext
from mrmesos.client.chain_run import ClientHooks, HookFailed
from mrmesos.client.code.loading import ClientHook
from mrmesos.wire.chain import ChainNotes, ChainSpec, StepSpec
from tests.wire.specs import job_spec

MARK = "a" * 64


class Place:
    """A chain with both hooks. They note that they ran, and raise `problem` if there is one."""

    def __init__(self, directory: Path) -> None:
        self.data = directory / "_out_steps"
        self.data.mkdir()
        self.ran: list[str] = []
        self.problem: BaseException | None = None
        step = StepSpec(name="s", job=job_spec(), identity="0" * 64)
        uri = f"file://{directory}"
        self.spec = ChainSpec(
            name="Daily", user="u", output=f"{uri}/out", data=f"{uri}/_out_steps", steps=(step,)
        )

    def hooks(self, *, resume: bool = False) -> ClientHooks:
        given = HookContext("Daily", argparse.Namespace(), {}, self.spec.output)
        hook = ClientHook(self.run, given, MARK)
        spec = replace(self.spec, resume=resume)
        return ClientHooks({"before": hook, "after": hook}, spec, quiet=False)

    def run(self, context: HookContext) -> None:
        self.ran.append(context.chain)
        if self.problem is not None:
            raise self.problem

    def keep(self, mark: str) -> None:
        notes = msgspec.json.encode(ChainNotes("chain_1", {}, {"before": mark}))
        (self.data / "_chain.json").write_bytes(notes)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize(("mark", "times"), [(MARK, 0), ("b" * 64, 1), ("", 1)])
def test_a_hook_that_an_earlier_run_has_finished_is_kept(
    place: Place, mark: str, times: int, capsys: pytest.CaptureFixture[str]
) -> None:
    if mark:
        place.keep(mark)
    place.hooks(resume=True).before()
    assert len(place.ran) == times
    assert ("before: KEPT from an earlier run" in capsys.readouterr().err) == (times == 0)
    place.hooks().before()
    assert len(place.ran) == times + 1, "without --resume it runs anyway"


def test_notes_that_cannot_be_read_keep_nothing(place: Place) -> None:
    (place.data / "_chain.json").write_bytes(b"\xff{")
    place.hooks(resume=True).before()
    assert place.ran == ["Daily"]


def test_the_data_go_when_the_last_hook_has_run(place: Place) -> None:
    place.hooks().after()
    assert not place.data.exists()


@pytest.mark.parametrize("problem", [OSError("no warehouse"), SystemExit(3)])
def test_a_hook_that_fails_shows_its_traceback_and_keeps_the_data(
    place: Place, problem: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    place.problem = problem
    with pytest.raises(HookFailed) as told:
        place.hooks().after()
    assert str(told.value).startswith("error: the hook Daily.after failed: ")
    assert "raise self.problem" in str(told.value)
    assert place.data.exists()
    assert "submit again with --resume to run Daily.after again" in capsys.readouterr().err


def test_an_interrupt_says_what_was_interrupted(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.problem = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        place.hooks().after()
    assert place.data.exists()
    said = capsys.readouterr().err
    assert said.startswith("  after: INTERRUPTED\n")
    assert "submit again with --resume" in said
