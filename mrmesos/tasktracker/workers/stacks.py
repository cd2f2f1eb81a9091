"""The stack of a worker, by a signal: Python's faulthandler writes it, even while C code runs.

A worker registers the signal before anything else (worker/__main__.py). The stack goes to the
worker's own log. The signal is one that is ignored by default. So it cannot end a worker that has
not registered it yet, or whose user code has removed the handler.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from mrmesos.wire.tracker_status import Stack
from mrmesos.worker.stack_signal import BEGIN, STACK_SIGNAL

ANSWER_SECONDS = 2.0
_LOOK_SECONDS = 0.02
STACK_BYTES_MAX = 256 << 10


async def ask_stack(pid: int, log_path: Path) -> Stack:
    """The stack that a worker writes to its log."""
    try:
        before = await asyncio.to_thread(lambda: log_path.stat().st_size)
        os.kill(pid, STACK_SIGNAL)
        text = ""
        deadline = asyncio.get_running_loop().time() + ANSWER_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(_LOOK_SECONDS)
            more = await asyncio.to_thread(_since, log_path, before)
            if more and more == text:  # it has written all
                return Stack(text=text)
            text = more
    except OSError as problem:
        return Stack(problem=f"the worker has ended: {problem}")
    return Stack(text=text, problem="" if text else "the worker did not answer")


def _since(path: Path, offset: int) -> str:
    """The text that was written since then, without other text before the stack."""
    with path.open("rb") as file:
        file.seek(offset)
        text = file.read(STACK_BYTES_MAX).decode("utf-8", "replace")
    begin = min((at for word in BEGIN if (at := text.find(word)) >= 0), default=-1)
    return text[begin:] if begin >= 0 else ""
