"""A process that leaves ends as any Python does, but at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
