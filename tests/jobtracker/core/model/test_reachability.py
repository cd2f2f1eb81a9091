from __future__ import annotations

from mrmesos.jobtracker.core.model.reachability import (
    BELIEVED_MAX_SECONDS,
    BELIEVED_SECONDS,
    CUTS_MAX,
    Reachability,
)


def cut(reach: Reachability, reader: str, source: str, now: float) -> bool:
    """Whether the cut from host to host is believed. Both indexes must agree."""
    said = source in reach.sources_cut_from(reader, now)
    assert said == (reader in reach.readers_cut_from(source, now))
    return said


def test_a_cut_has_a_direction_and_is_forgotten() -> None:
    reach = Reachability()
    reach.failed("a", "b", 0.0)
    assert cut(reach, "a", "b", BELIEVED_SECONDS - 1)
    assert not cut(reach, "b", "a", 0.0)
    assert not cut(reach, "a", "b", BELIEVED_SECONDS)
    assert reach.until == BELIEVED_SECONDS


def test_a_fetch_that_works_ends_it_at_once() -> None:
    reach = Reachability()
    reach.failed("a", "b", 0.0)
    reach.failed("c", "b", 0.0)
    reach.worked("a", "b")
    assert not cut(reach, "a", "b", 1.0)
    assert cut(reach, "c", "b", 1.0)
    reach.worked("a", "b")


def test_one_that_was_forgotten_too_early_is_believed_for_longer() -> None:
    reach, now, times = Reachability(), 0.0, []
    for _ in range(8):
        reach.failed("a", "b", now)
        reach.failed("a", "b", now)
        times.append(reach.until - now)
        now = reach.until
    assert times[:4] == [60.0, 120.0, 240.0, 480.0]
    assert times[-1] == BELIEVED_MAX_SECONDS


def test_what_is_long_past_takes_no_room() -> None:
    reach = Reachability()
    for number in range(CUTS_MAX + 5):
        reach.failed(f"h{number}", "b", 0.0)
    assert not cut(reach, f"h{CUTS_MAX}", "b", 1.0), "there is a limit"
    reach.tick(BELIEVED_SECONDS + BELIEVED_MAX_SECONDS + 1)
    reach.failed("x", "b", 5000.0)
    assert cut(reach, "x", "b", 5000.0)


def test_a_host_reaches_itself() -> None:
    reach = Reachability()
    reach.failed("a", "a", 0.0)
    assert not cut(reach, "a", "a", 0.0)
