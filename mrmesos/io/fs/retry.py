"""Retries of filesystem calls: which errors may be temporary, and how often to try."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from mrmesos.retrying import try_first

if TYPE_CHECKING:
    import tenacity

T = TypeVar("T")
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
# Drivers mostly raise these without an errno. (FSTimeoutError and requests' errors are OSErrors.)
_CERTAIN = (
    FileNotFoundError,
    FileExistsError,
    PermissionError,
    NotADirectoryError,
    IsADirectoryError,
)


def is_transient(exc: BaseException) -> bool:
    """Whether a retry may help: yes for network and server errors, no for a full disk."""
    if not isinstance(exc, OSError) or isinstance(exc, _CERTAIN):
        return False
    status = getattr(getattr(exc, "response", None), "status_code", 0)  # requests.HTTPError
    if 400 <= status < 500 and status not in (408, 429):
        return False
    return exc.errno not in _PERMANENT


class Retrier(Protocol):
    """Calls a function, several times if need be."""

    def __call__(self, call: Callable[..., T], /, *args: Any, **named: Any) -> T: ...


def retrying(sleep: Callable[[float], None] = time.sleep) -> Retrier:
    """A retrier: up to 5 tries of a call with waits up to 4 s, for temporary errors only."""

    def made(_spent: float) -> tenacity.Retrying:
        import tenacity

        return tenacity.Retrying(
            stop=tenacity.stop_after_attempt(TRIES),
            wait=tenacity.wait_random_exponential(multiplier=0.25, max=LONGEST_WAIT_SECONDS),
            retry=tenacity.retry_if_exception(is_transient),
            sleep=sleep,
            reraise=True,
        )

    def called(call: Callable[..., T], /, *args: Any, **named: Any) -> T:
        return try_first(partial(call, *args, **named), made)

    return called


def retrying_for(seconds: float) -> tenacity.Retrying:
    """A retrier: a try every few seconds for `seconds` in total, for temporary errors only."""
    import tenacity

    return tenacity.Retrying(
        stop=tenacity.stop_after_delay(seconds),
        wait=tenacity.wait_random(1.0, LONGEST_WAIT_SECONDS),
        retry=tenacity.retry_if_exception(is_transient),
        reraise=True,
    )
