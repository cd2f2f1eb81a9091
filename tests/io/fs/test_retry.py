"""Which errors are retried, and which are not."""

import errno
from types import SimpleNamespace

import pytest

from mrmesos.io.fs.retry import TRIES, is_transient, retrying


class Refused(OSError):
    """Has a response with a status code, as requests.HTTPError does."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.response = SimpleNamespace(status_code=status)


def test_what_may_pass_and_what_stays() -> None:
    assert is_transient(ConnectionResetError(errno.ECONNRESET, "reset"))
    assert is_transient(TimeoutError())
    assert is_transient(OSError("503 Slow Down"))
    assert is_transient(Refused(503))
    assert is_transient(Refused(429))
    assert not is_transient(Refused(403))
    assert not is_transient(FileNotFoundError("/x"))
    assert not is_transient(PermissionError())
    assert not is_transient(OSError(errno.ENOSPC, "No space left on device"))
    assert not is_transient(ValueError())


@pytest.mark.parametrize(("problem", "calls"), [(ConnectionResetError, TRIES), (ValueError, 1)])
def test_only_what_may_pass_is_tried_again(problem: type[Exception], calls: int) -> None:
    seen: list[float] = []

    def fail() -> None:
        seen.append(0.0)
        raise problem

    with pytest.raises(problem):
        retrying(lambda seconds: None)(fail)
    assert len(seen) == calls
