from __future__ import annotations

import os
import re
import signal
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.jobtracker.core.model.exit_words import exit_words


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "exited with status 0"),
        (256, "exited with status 1"),
        (1792, "exited with status 7"),
        (32512, "exited with status 127: command not found"),
        (32256, "exited with status 126: command cannot be executed"),
        (9, "killed by SIGKILL"),
        (11 | 0x80, "killed by SIGSEGV (core dumped)"),
        (137 << 8, "exited with status 137: its command was killed by SIGKILL"),
        (35, "killed by signal 35"),
        (-1, ""),
        (None, ""),
        (1 << 40, ""),
    ],
)
def test_a_wait_status_in_words(status: int | None, words: str) -> None:
    assert exit_words(status) == words


@given(st.integers(-(2**70), 2**70))
def test_no_number_breaks_it_and_none_is_shown_raw(status: int) -> None:
    words = exit_words(status)
    assert re.fullmatch(
        r"|exited with status \d{1,3}(: .+)?|killed by (SIG\w+|signal \d+).*", words
    )


@pytest.mark.parametrize("command", ["exit 3", "no-such-command-here", "kill -9 $$"])
def test_real_processes(command: str) -> None:
    child = subprocess.Popen(["sh", "-c", command], stderr=subprocess.DEVNULL)
    _, status = os.waitpid(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode < 0:
        assert exit_words(status) == f"killed by {signal.Signals(-child.returncode).name}"
    else:
        assert exit_words(status).startswith(f"exited with status {child.returncode}")
