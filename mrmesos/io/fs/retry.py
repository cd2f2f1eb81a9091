"""Which troubles of filesystems may pass by themselves, and how often calls are tried again."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable

import tenacity

TRIES = 5
LONGEST_WAIT_SECONDS = 4.0

_PERMANENT = frozenset(
    {
        errno.EACCES,
        errno.EPERM,
        errno.ENOENT,
        errno.EEXIST,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.ENOTEMPTY,
        errno.EINVAL,
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EROFS,
        errno.ENAMETOOLONG,
        errno.ELOOP,
        errno.EXDEV,
    }
)
# What drivers raise mostly without an errno. (FSTimeoutError and requests' errors are OSErrors.)
_CERTAIN = (
    FileNotFoundError,
    FileExistsError,
    PermissionError,
    NotADirectoryError,
    IsADirectoryError,
)


def is_transient(exc: BaseException) -> bool:
    """Whether trying again may help: network and server trouble, but not a full disk."""
    if not isinstance(exc, OSError) or isinstance(exc, _CERTAIN):
        return False
    status = getattr(getattr(exc, "response", None), "status_code", 0)  # requests.HTTPError
    if 400 <= status < 500 and status not in (408, 429):
        return False
    return exc.errno not in _PERMANENT


def retrying(sleep: Callable[[float], None] = time.sleep) -> tenacity.Retrying:
    """Calls what it is given up to 5 times, waiting up to 4 s in between, while that may help."""
    return tenacity.Retrying(
        stop=tenacity.stop_after_attempt(TRIES),
        wait=tenacity.wait_random_exponential(multiplier=0.25, max=LONGEST_WAIT_SECONDS),
        retry=tenacity.retry_if_exception(is_transient),
        sleep=sleep,
        reraise=True,
    )


def retrying_for(seconds: float) -> tenacity.Retrying:
    """Calls what it is given every few seconds while that may help, for so long in all."""
    return tenacity.Retrying(
        stop=tenacity.stop_after_delay(seconds),
        wait=tenacity.wait_random(1.0, LONGEST_WAIT_SECONDS),
        retry=tenacity.retry_if_exception(is_transient),
        reraise=True,
    )
