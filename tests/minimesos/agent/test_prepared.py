"""An executor that was started before its launch: which launches it takes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mrmesos.minimesos.agent.prepared import Prepared

SHELL = "exec python -m executor"
BEFORE = {"PATH": "/bin", "MESOS_SANDBOX": "/waits"}
LAUNCH = {"PATH": "/bin", "MESOS_SANDBOX": "/box", "MESOS_EXECUTOR_ID": "e"}


def message(environment: dict[str, str], sandbox: str) -> bytes:
    return json.dumps([environment, sandbox]).encode()


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """It prints what it reads."""
    words = "import sys; sys.stdout.write(sys.stdin.read())"
    with subprocess.Popen(
        [sys.executable, "-c", words], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as popen:
        yield popen
        popen.kill()


def prepared(process: subprocess.Popen[bytes], most_bytes: int = 1000) -> Prepared:
    assert process.stdin is not None
    process.stdin = process.stdin  # a pipe, so this is what a Waiting has
    return Prepared(
        process,  # type: ignore[arg-type]
        SHELL,
        Path("/waits"),
        message,
        most_bytes,
        ("MESOS_",),
        before=BEFORE,
    )


def test_it_gets_environment_and_sandbox_of_its_launch_once(
    process: subprocess.Popen[bytes],
) -> None:
    waiting = prepared(process)
    assert waiting.take({"value": SHELL}, LAUNCH, Path("/box")) is process
    assert process.stdout is not None
    assert json.loads(process.stdout.read()) == [LAUNCH, "/box"]
    assert waiting.taken
    assert waiting.take({"value": SHELL}, LAUNCH, Path("/box")) is None


@pytest.mark.parametrize(
    ("command", "environment"),
    [
        ({"value": "exec other"}, LAUNCH),
        ({"value": SHELL, "shell": False}, LAUNCH),
        ({"value": SHELL}, LAUNCH | {"PATH": "/usr/bin"}),
        ({"value": SHELL}, LAUNCH | {"OMP_NUM_THREADS": "4"}),
        ({"value": SHELL}, {"MESOS_SANDBOX": "/box"}),
        ({"value": SHELL}, LAUNCH | {"MESOS_X": "\udc80"}),
        ({"value": SHELL}, LAUNCH | {"MESOS_X": "x" * 1000}),
    ],
)
def test_what_it_could_not_be_is_started_as_usual(
    process: subprocess.Popen[bytes], command: dict[str, object], environment: dict[str, str]
) -> None:
    waiting = prepared(process)
    assert waiting.take(command, environment, Path("/box")) is None
    assert not waiting.taken
    assert waiting.take({"value": SHELL}, LAUNCH, Path("/box")) is process


def test_one_that_has_died_is_not_taken(process: subprocess.Popen[bytes]) -> None:
    waiting = prepared(process)
    process.kill()
    process.wait()
    assert waiting.take({"value": SHELL}, LAUNCH, Path("/box")) is None
