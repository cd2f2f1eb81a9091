"""A call is tried once before its retrier is made."""

import pytest
import tenacity

from mrmesos.retrying import try_first


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
