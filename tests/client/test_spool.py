"""Standard input and pipes become files, with a limit, and go with the command."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from mrmesos.client.spool import Spool
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.conf import Conf


class Stdin:
    """Standard input that holds these bytes."""

    closed = False

    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)


def spool(output: str = "/nowhere/out", *, local: bool = True, **conf: str) -> Spool:
    settings = {name.replace("_", "."): value for name, value in conf.items()}
    return Spool(output, Conf(settings), local=local, detach=False)


@pytest.mark.parametrize("given", ["-", "left=-"])
def test_standard_input_becomes_a_file(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(b"a\nb\n"))
    taken = spool()
    [found, other] = taken.taken([given, "in.txt"])
    assert other == "in.txt"
    path = Path(found.removeprefix("left="))
    assert found.startswith("left=") == (given != "-")
    assert path.read_bytes() == b"a\nb\n"
    taken.close(pytest.fail)
    assert not path.parent.exists()


def test_a_job_of_a_cluster_has_it_beside_the_output(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(b"x"))
    taken = spool(f"file://{tmp_path}/out", local=False)
    [found] = taken.taken(["-"])
    assert Path(found).parent.parent == tmp_path
    taken.close(pytest.fail)
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_is_read() -> None:
    read, written = os.pipe()
    os.write(written, b"and one more\n")
    os.close(written)
    taken = spool()
    # The shell's <(command) is such a name.
    [found] = taken.taken([f"/dev/fd/{read}"])
    assert Path(found).read_bytes() == b"and one more\n"
    taken.close(pytest.fail)
    os.close(read)


def test_what_cannot_be_spooled_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(words: str, taken: Spool, *inputs: str) -> None:
        with pytest.raises(UsageProblem, match=words):
            taken.taken(inputs)
        taken.close(pytest.fail)

    monkeypatch.setattr(sys, "stdin", Stdin(b"12345"))
    refused("more than 4 bytes.*input.spool.maxbytes", spool(input_spool_maxbytes="4"), "-")
    refused("one input only", spool(), "-", "b=-")
    monkeypatch.setattr(sys, "stdin", Stdin(b"12345"))
    refused("no directory can be made beside it", spool("/proc/out", local=False), "-")
    monkeypatch.setattr(sys, "stdin", Stdin(b"12345"))
    detached = Spool("/nowhere/out", Conf({}), local=True, detach=True)
    refused("--detach cannot", detached, "-")
    terminal: Any = Stdin(b"")
    main, other = os.openpty()
    with os.fdopen(other, "rb", buffering=0) as screen:
        terminal.buffer = screen
        monkeypatch.setattr(sys, "stdin", terminal)
        refused("standard input is a terminal; send data", spool(), "-")
    os.close(main)
    monkeypatch.setattr(sys, "stdin", None)
    refused("standard input is closed", spool(), "-")
