"""Calls that are tried again. tenacity decides when, and is imported only after a failure: it takes
as long as some whole tasks of a small job, and most calls succeed at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
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
