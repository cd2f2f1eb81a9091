"""Mistakes in chains, as users of the command meet them: one line each, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.test_end_to_end import DEADLINE, House

CHAINS = """
import threading
from mrmesos.api import *

class Copy(Mapper):
    def map(self, key, line):
        yield line, 1

class Lock(Mapper):
    def map(self, key, line):
        yield line, threading.Lock()

class Copies(Job):
    mapper = Copy

class Locks(Job):
    mapper, conf = Lock, {"map.maxattempts": 1}

class Cycle(Chain):
    steps = {"a": Step(Copies, "c"), "b": Step(Copies, "a"), "c": Step(Copies, "b")}

class After(Chain):
    steps = {"a": Copies, "b": Step(Copies, "a", after="nothing")}

class Reads(Chain):
    steps = {"a": Copies, "b": Step(Copies, "aa")}

class Large(Chain):
    steps = [Copies]
    conf = {"map.memory.mb": 100_000_000}

class Hooked(Chain):
    steps = [Copies]
    after = InClient(print)

class Unsaid(Chain):
    steps = [Copies]
    before = print

class Apart(Chain):
    steps = [Copies, Locks]
    conf = {"chain.fuse": False}

class Alike(Chain):
    steps = [Copies, Copies]
    conf = {"chain.fuse": False}
"""


def submitted(directory: Path, name: str, *more: str) -> tuple[int, str]:
    (directory / "chains.py").write_text(CHAINS)
    (directory / "in.txt").write_text("a\nb\n")
    house = House(directory)
    files = ("--input", "in.txt", "--output", "out", "--no-counters")
    process = house.start("submit", "chains.py", "--class", name, *files, *more)
    try:
        said = process.communicate(timeout=DEADLINE)[1]
        return process.returncode, said
    finally:
        process.kill()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Unsaid", "chains.py: Unsaid.before is <built-in function print>; say where the function"),
        ("Cycle", "chains.py: Cycle: the steps wait for each other: a -> c -> b -> a"),
        ("After", "chains.py: After: step b comes after 'nothing', which is no step of the chain"),
        ("Reads", "Reads: step b reads 'aa', which is neither a step (a, b) nor given by"),
        ("Large", "a map attempt needs 100,000,000 MiB beside the TaskTracker's"),
    ],
)
def test_what_cannot_run_is_told_in_one_line(tmp_path: Path, name: str, words: str) -> None:
    code, said = submitted(tmp_path, name)
    assert code == 2
    assert said.startswith(f"mrmesos: {words}")
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_hook_of_the_client_cannot_run_without_the_client(tmp_path: Path) -> None:
    code, said = submitted(tmp_path, "Hooked", "--jobtracker", "http://127.0.0.1:1", "--detach")
    assert code == 2
    assert said.startswith("mrmesos: --detach: Hooked.after is for this process (InClient)")
    assert said.count("\n") == 1


def error_of(said: str) -> str:
    [line] = [each for each in said.splitlines() if each.startswith("error: ")]
    return line


@pytest.mark.slow
def test_a_value_that_cannot_be_pickled_costs_only_its_step(tmp_path: Path) -> None:
    code, said = submitted(tmp_path, "Apart")
    assert code == 1
    assert error_of(said).startswith("error: a value of type lock can be neither an Arrow column")
    assert (tmp_path / "_out_steps" / "Copies" / "_SUCCESS").exists()
    assert "submit again with --resume" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("job.constraints=rack = r9", "none of the 1 agents known meets what it asks: rack = r9"),
        ("map.resources.global=db:1", "the JobTracker has no global resource db"),
    ],
)
def test_what_no_agent_has_is_told_at_once(tmp_path: Path, setting: str, words: str) -> None:
    code, said = submitted(tmp_path, "Alike", "-D", setting, "--fail-if-impossible")
    assert code == 1
    assert error_of(said).startswith(f"error: {words}")
    assert "Copies: FAILED" in said
    assert "Copies-2: CANCELLED" in said
