"""The import of pymesos has no side effects. Each test uses a fresh process."""

from __future__ import annotations

import subprocess
import sys

import pytest

MAIN = """
import logging, signal
def mine(signum, frame): pass
signal.signal(signal.SIGINT, mine)
real = signal.signal
{before}
import mrmesos.mesos.scheduler_driver, mrmesos.mesos.executor_driver
assert signal.getsignal(signal.SIGINT) is mine, signal.getsignal(signal.SIGINT)
assert signal.signal is real
logger = logging.getLogger("pymesos")
assert logger.handlers == [] and logger.propagate and logger.level == logging.NOTSET
print("fine")
"""

THREAD = """
import signal, threading
before = signal.getsignal(signal.SIGINT)
failed = []
def load():
    try:
        import mrmesos.mesos.scheduler_driver
    except BaseException as problem:
        failed.append(problem)
thread = threading.Thread(target=load)
thread.start()
thread.join()
assert not failed, failed
assert signal.getsignal(signal.SIGINT) is before
print("fine")
"""

PURE = """
import sys
import mrmesos.resources, mrmesos.mesos.callbacks, mrmesos.mesos.errors
assert "pymesos" not in sys.modules
print("fine")
"""


@pytest.mark.parametrize(
    "program",
    [MAIN.format(before=""), MAIN.format(before="import pymesos"), THREAD, PURE],
    ids=["main thread", "after somebody else", "other thread", "pure parts"],
)
def test_import(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "fine"), done.stderr
