"""The stack of a worker, also while its code is in C, and of one that cannot answer."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mrmesos.tasktracker.workers import stacks
from mrmesos.tasktracker.workers.stacks import ask_stack

BUSY = """
import os, threading, time
from mrmesos.worker.stack_signal import answer_with_stacks
answer_with_stacks()
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)   # as an attempt redirects it
threading.Thread(target=time.sleep, args=(600,), name="channel", daemon=True).start()
def culprit():
    print("ready", flush=True)
    sum(range(10**12))
culprit()
"""
DEAF = "import time; print('ready', flush=True); time.sleep(600)"


@contextmanager
def process(code: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as file:
        file.write(b"an earlier line\n")
        file.flush()
        started = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=file
        )
    try:
        assert started.stdout is not None
        assert started.stdout.readline() == b"ready\n"
        yield started
    finally:
        started.kill()
        started.communicate()


def test_the_stacks_of_all_threads_come_while_c_code_runs(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with process(BUSY, log) as worker:
        for _ in range(2):
            found = asyncio.run(ask_stack(worker.pid, log))
            assert found.problem == ""
            assert "in culprit" in found.text
            assert found.text.count("Thread 0x") + found.text.count("Current thread 0x") == 2
            assert "an earlier line" not in found.text
        assert worker.poll() is None


def test_a_worker_that_cannot_answer_is_not_harmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacks, "ANSWER_SECONDS", 0.1)
    log = tmp_path / "log"
    with process(DEAF, log) as worker:
        assert asyncio.run(ask_stack(worker.pid, log)).problem == "the worker did not answer"
        assert worker.poll() is None
    assert "has ended" in asyncio.run(ask_stack(worker.pid, log)).problem
