"""A worker that was started before its TaskTracker's launch learns where it runs.

Thread: main, before any other runs.
"""

from __future__ import annotations

import os
import socket

from mrmesos.worker.channel import FrameError, decode_to_worker, read_frame
from mrmesos.worker.messages import Begin


def begin(channel: socket.socket) -> bool:
    """Wait for Begin, and do what it says. Returns False if the TaskTracker ended without a launch.

    Raises FrameError for another message, OSError if the directory or the log cannot be used.
    """
    if (body := read_frame(channel)) is None:
        return False
    message = decode_to_worker(body)
    if not isinstance(message, Begin):
        raise FrameError(f"expected Begin as the first message, not {type(message).__name__}")
    enter(message.directory, message.environment, message.log_path, message.log_path)
    return True


def enter(directory: str, environment: dict[str, str], stdout: str, stderr: str) -> None:
    """Change this process's environment, working directory and output files. Raises OSError."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(directory)
    for path, target in ((stdout, 1), (stderr, 2)):
        opened = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        os.dup2(opened, target)
        os.close(opened)
