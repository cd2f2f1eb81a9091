"""Waiting for the end of a child process in the event loop, without reaping it."""

from __future__ import annotations

import asyncio
import os

_LOOK_SECONDS = 0.05


async def wait_for_end(pid: int) -> None:
    """Wait until a child has ended. It is not reaped, so no other process can get its pid."""
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:  # Linux before 5.3
        while not _has_ended(pid):  # noqa: ASYNC110  (there is no event to wait for)
            await asyncio.sleep(_LOOK_SECONDS)
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(pidfd, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)


def _has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
