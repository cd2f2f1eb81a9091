"""Running a module of ours in a process of its own, for work that needs Arrow.

In: a request on its standard input. Out: a line for each sign of life, then the answer as the last
line. There are two reasons: the JobTracker does not import Arrow, and a damaged file may abort the
process that reads it. Thread: the caller's, which waits.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable

_TAIL = 2000


class ProcessFailed(Exception):
    """The process ended without an answer. The message has its exit code and its last output."""


def answer_of(module: str, request: bytes, alive: Callable[[], None]) -> bytes:
    """The last line that the module prints. `alive` is called for each line before it.

    Raises ProcessFailed. If `alive` raises an exception, it kills the process and raises that.
    """
    last = b""
    command = (sys.executable, "-P", "-m", module)
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as asked:
        asked.write(request)
        asked.seek(0)
        with subprocess.Popen(
            command, stdin=asked, stdout=subprocess.PIPE, stderr=errors
        ) as process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    alive()
                    last = line
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            errors.seek(0)
            told = errors.read()[-_TAIL:].decode("utf-8", "replace").strip()
            raise ProcessFailed(f"ended with code {process.returncode}: {told}")
    return last
