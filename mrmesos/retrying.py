"""Calls that are tried again. tenacity decides when, and is imported only after a failure: it takes
as long as some whole tasks of a small job, and most calls succeed at once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import tenacity

T = TypeVar("T")


def try_first(call: Callable[[], T], retrying: Callable[[float], tenacity.Retrying]) -> T:
    """Call it. Only if that fails, make the retrier, which counts this try as its first.

    `retrying` gets the seconds that the first try took. A retrier does not know of them.
    """
    began = time.monotonic()
    try:
        return call()
    except Exception as problem:  # noqa: BLE001 (the retrier raises it again)
        failed = [problem]
    spent = time.monotonic() - began

    def again() -> T:
        if failed:
            raise failed.pop()
        return call()

    return retrying(spent)(again)


async def try_for(
    seconds: float,
    call: Callable[[], Awaitable[T]],
    may_pass: type[Exception] | tuple[type[Exception], ...],
    longest_wait: float,
    logger: logging.Logger,
) -> T:
    """Await it until it succeeds or `seconds` are over. Each error that may pass is logged, and
    the last one is raised.
    """
    began = time.monotonic()
    try:
        return await call()
    except may_pass as problem:
        failed = [problem]
    import tenacity

    def say(state: tenacity.RetryCallState) -> None:
        problem = state.outcome.exception() if state.outcome is not None else None
        logger.warning("%s; trying again", problem or type(problem).__name__)

    async def again() -> T:
        if failed:
            raise failed.pop()
        return await call()

    return await tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(may_pass),
        wait=tenacity.wait_random_exponential(multiplier=0.05, max=longest_wait),
        stop=tenacity.stop_after_delay(seconds - (time.monotonic() - began)),
        before_sleep=say,
        reraise=True,
    )(again)
