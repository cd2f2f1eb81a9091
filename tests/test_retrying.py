"""A call is tried once before its retrier is made."""

import asyncio
import logging
import sys

import pytest
import tenacity

from mrmesos.retrying import try_first, try_for


def retrier(tries: int) -> tenacity.Retrying:
    return tenacity.Retrying(
        stop=tenacity.stop_after_attempt(tries),
        retry=tenacity.retry_if_exception_type(OSError),
        sleep=lambda _: None,
        reraise=True,
    )


def test_a_call_that_succeeds_needs_no_retrier() -> None:
    assert try_first(lambda: 7, lambda spent: pytest.fail(f"made after {spent} s")) == 7


@pytest.mark.parametrize(("fails", "error"), [(1, None), (2, None), (3, OSError), (4, OSError)])
def test_the_first_try_counts(fails: int, error: type[Exception] | None) -> None:
    tries: list[int] = []

    def call() -> str:
        tries.append(len(tries))
        if len(tries) <= fails:
            raise OSError(len(tries))
        return "done"

    if error is None:
        assert try_first(call, lambda _: retrier(3)) == "done"
        assert len(tries) == fails + 1
    else:
        with pytest.raises(error, match="3"):
            try_first(call, lambda _: retrier(3))
        assert len(tries) == 3


def test_other_errors_are_raised_at_once() -> None:
    tries: list[int] = []

    def call() -> None:
        tries.append(1)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        try_first(call, lambda _: retrier(3))
    assert tries == [1]


@pytest.mark.parametrize(("fails", "seconds"), [(0, 30.0), (1, 30.0), (3, 30.0), (9, 0.0)])
def test_an_awaited_call_is_tried_for_some_seconds(
    fails: int, seconds: float, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[int] = []

    async def call() -> str:
        tries.append(len(tries))
        if len(tries) <= fails:
            raise OSError(f"no answer {len(tries)}")
        return "done"

    if not fails:
        monkeypatch.setitem(sys.modules, "tenacity", None)  # an import would fail
    tried = try_for(seconds, call, OSError, 0.01, logging.getLogger("mrmesos"))
    if seconds:
        assert asyncio.run(tried) == "done"
        assert len(tries) == fails + 1
        said = [record.getMessage() for record in caplog.records if record.name == "mrmesos"]
        assert said == [f"no answer {n}; trying again" for n in range(1, fails + 1)]
    else:
        with pytest.raises(OSError, match="no answer 1"):
            asyncio.run(tried)
        assert tries == [0]


def test_an_awaited_call_raises_other_errors_at_once() -> None:
    async def call() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        asyncio.run(try_for(30.0, call, OSError, 0.01, logging.getLogger("mrmesos")))
