from __future__ import annotations

from mrmesos.jobtracker.core.model.reachability import (
    BELIEVED_MAX_SECONDS,
    BELIEVED_SECONDS,
    CUTS_MAX,
    Reachability,
)
from mrmesos.wire.ids import HostName

A, B, C, X = map(HostName, "abcx")


def cut(reach: Reachability, reader: HostName, source: HostName, now: float) -> bool:
    """Whether the cut from host to host is believed. Both indexes must agree."""
    said = source in reach.sources_cut_from(reader, now)
    assert said == (reader in reach.readers_cut_from(source, now))
    return said


def test_a_cut_has_a_direction_and_is_forgotten() -> None:
    reach = Reachability()
    reach.failed(A, B, 0.0)
    assert cut(reach, A, B, BELIEVED_SECONDS - 1)
    assert not cut(reach, B, A, 0.0)
    assert not cut(reach, A, B, BELIEVED_SECONDS)
    assert reach.until == BELIEVED_SECONDS


def test_a_fetch_that_works_ends_it_at_once() -> None:
    reach = Reachability()
    reach.failed(A, B, 0.0)
    reach.failed(C, B, 0.0)
    reach.worked(A, B)
    assert not cut(reach, A, B, 1.0)
    assert cut(reach, C, B, 1.0)
    reach.worked(A, B)


def test_one_that_was_forgotten_too_early_is_believed_for_longer() -> None:
    reach, now, times = Reachability(), 0.0, []
    for _ in range(8):
        reach.failed(A, B, now)
        reach.failed(A, B, now)
        times.append(reach.until - now)
        now = reach.until
    assert times[:4] == [60.0, 120.0, 240.0, 480.0]
    assert times[-1] == BELIEVED_MAX_SECONDS


def test_what_is_long_past_takes_no_room() -> None:
    reach = Reachability()
    for number in range(CUTS_MAX + 5):
        reach.failed(HostName(f"h{number}"), B, 0.0)
    assert not cut(reach, HostName(f"h{CUTS_MAX}"), B, 1.0), "there is a limit"
    reach.tick(BELIEVED_SECONDS + BELIEVED_MAX_SECONDS + 1)
    reach.failed(X, B, 5000.0)
    assert cut(reach, X, B, 5000.0)


def test_a_host_reaches_itself() -> None:
    reach = Reachability()
    reach.failed(A, A, 0.0)
    assert not cut(reach, A, A, 0.0)
