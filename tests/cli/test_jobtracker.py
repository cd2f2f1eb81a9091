"""`mrmesos jobtracker` explains in one line why it cannot start."""

from __future__ import annotations

import socket

import pytest
from click.testing import CliRunner

from mrmesos.cli import main


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "--master"),
        (("--master", "https://h:5050"), "https://h:5050"),
        (("--master", "zk://h:2181"), "zk://"),
        (("--master", "h:1", "-D", "x"), "expected name=value"),
        (("--master", "h:1", "-D", "tasktracker.cpus=many"), "tasktracker.cpus"),
        (("--master", "127.0.0.1:1", "-D", "jobtracker.http.address=nowhere"), "host:port"),
        (("--master", "127.0.0.1:1", "-D", "mesos.secret.file=/nowhere/s"), "/nowhere/s"),
        (("--master", "127.0.0.1:1", "--port", "70000"), "70000"),
    ],
)
def test_wrong_uses(arguments: tuple[str, ...], words: str) -> None:
    if "--port" not in arguments:
        arguments = (*arguments, "--port", "0")
    answer = CliRunner().invoke(main, ["jobtracker", *arguments], prog_name="mrmesos")
    assert answer.exit_code == 2, answer.output
    assert len(answer.stderr.strip().splitlines()) == 1, answer.stderr
    assert words in answer.stderr


def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        answer = CliRunner().invoke(main, ["jobtracker", "--master", "127.0.0.1:1", "--port", port])
    assert answer.exit_code == 2
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in answer.stderr
