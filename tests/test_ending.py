"""A process that leaves ends as any Python does, but at once. After a signal it ends in time."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import ClassVar

import pytest

from mrmesos.ending import LastCall, ended_by_interrupts

LAST_WORDS = """
import atexit, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from mrmesos.ending import leave

class Remains:
    def __del__(self):
        print("taken apart", flush=True)

remains = Remains()
atexit.register(print, "at exit", end=";")
pool = ThreadPoolExecutor(1)
pool.submit(time.sleep, 0)
threading.Thread(target=lambda: (time.sleep(0.2), print("thread", end=";"))).start()
"""


def test_threads_atexit_and_output_are_waited_for() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", f"{LAST_WORDS}\nleave(7)"], capture_output=True, timeout=60
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (7, b"thread;at exit;", b"")


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        ("None", 0, b""),
        ("'words'", 1, b"words\n"),
        ("0", 0, b""),
        ("True", 1, b""),
        ("-1", 255, b""),
    ],
)
def test_codes_are_those_of_sys_exit(given: str, code: int, said: bytes) -> None:
    for way in ("mrmesos.ending.leave", "sys.exit"):
        words = f"import sys, mrmesos.ending; {way}({given})"
        ran = subprocess.run([sys.executable, "-c", words], capture_output=True, timeout=60)
        assert (ran.returncode, ran.stderr) == (code, said), way


def test_output_that_nobody_reads_is_an_error() -> None:
    words = "import mrmesos.ending as e; print('x'); e.leave()"
    shell = f'unset PYTHONUNBUFFERED; exec "$0" -c "{words}" >/dev/full'
    ran = subprocess.run(["sh", "-c", shell, sys.executable], timeout=60, check=False)
    assert ran.returncode == 120


class FakeTimer:
    """A timer that runs when the test says so."""

    made: ClassVar[list[FakeTimer]] = []

    def __init__(self, seconds: float, function: Callable[[int], None], args: tuple[int]) -> None:
        self.seconds, self.run, self.daemon = seconds, partial(function, *args), False
        self.made.append(self)

    def start(self) -> None:
        assert self.daemon, "it would keep the process alive"


@pytest.mark.parametrize(
    ("number", "seconds"), [(signal.SIGTERM, 4.0), (signal.SIGHUP, 4.0), (signal.SIGINT, 60.0)]
)
def test_an_end_is_forced_some_seconds_after_a_signal_or_by_the_second_one(
    number: signal.Signals, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mrmesos.ending.threading.Timer", FakeTimer)
    monkeypatch.setattr(FakeTimer, "made", [])
    ends: list[int] = []
    LastCall(ends.append).signalled(number)
    [timer] = FakeTimer.made
    assert (timer.seconds, ends) == (seconds, [])
    timer.run()
    assert ends == [128 + number]
    twice = LastCall(ends.append)
    twice.signalled(number)
    twice.signalled(number)
    assert ends == [128 + number] * 2


LOADS = """
import importlib.abc, os, signal, sys, threading
from mrmesos.ending import ended_by_interrupts

{before}
class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "slow":
            class Dropped:
                def __del__(self):  # Python drops what is raised here, as in its own callbacks
                    os.kill(os.getpid(), signal.SIGINT)
            Dropped()

sys.meta_path.insert(0, Finder())
handler = signal.getsignal(signal.SIGINT)
with {how}:
    try:
        import slow
    except ImportError:
        print("went on", flush=True)
assert signal.getsignal(signal.SIGINT) is handler
"""


@pytest.mark.parametrize(
    ("how", "before", "code", "said"),
    [
        ("ended_by_interrupts()", "", -2, ""),
        ("__import__('contextlib').nullcontext()", "", 0, "went on\n"),  # why it exists
        (
            "ended_by_interrupts()",
            "signal.signal(signal.SIGINT, signal.SIG_IGN)",
            0,
            "went on\n",
        ),
        (
            "ended_by_interrupts()",
            "signal.signal(signal.SIGINT, lambda *_: print('own', end=' '))",
            0,
            "own went on\n",
        ),
    ],
)
def test_an_interrupt_during_an_import(how: str, before: str, code: int, said: str) -> None:
    words = LOADS.format(how=how, before=before)
    ran = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout) == (code, said), ran.stderr


def test_after_the_import_the_handler_is_pythons_again() -> None:
    before = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with ended_by_interrupts():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
