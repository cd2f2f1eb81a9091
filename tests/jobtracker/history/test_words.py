"""How numbers and times are written."""

from __future__ import annotations

import pytest

from mrmesos.jobtracker.history import words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (-3.0, "0.0 s"),
        (0.31, "0.3 s"),
        (9.99, "10.0 s"),
        (12.4, "12 s"),
        (200, "3 min 20 s"),
        (3599.9, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (273_600, "3 d 4 h"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("past", "text"),
    [(0.5, "just now"), (12, "12 s ago"), (-180, "in 3 min"), (7200, "2 h ago"), (9e5, "10 d ago")],
)
def test_ages(past: float, text: str) -> None:
    assert words.ago(1e9 - past, 1e9) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("MAP_INPUT_RECORDS", 1_234_567, "1,234,567"),
        ("MAP_OUTPUT_BYTES", 1536, "1.5 KiB"),
        ("PHYSICAL_MEMORY_BYTES", 0, "0 B"),
        ("CPU_MILLISECONDS", 90_000, "1 min 30 s"),
        ("MILLIS_MAPS", 1500, "1.5 s"),
        ("my counter", -2, "-2"),
    ],
)
def test_counters_have_the_unit_that_their_name_tells(name: str, value: int, text: str) -> None:
    assert words.counter(name, value) == text


def test_amounts_of_resources() -> None:
    assert words.amount("cpus", 1500) == "1.5"
    assert words.amount("mem", 1_536_000) == "1.5 GiB"
    assert words.amount("db_connections", 2000) == "2"


def test_times_are_those_of_utc() -> None:
    assert words.absolute(1_795_950_381.4) == "2026-11-29 11:06:21 UTC"
    assert words.machine(1_795_950_381.4) == "2026-11-29T11:06:21+00:00"


def test_only_all_is_100_percent() -> None:
    assert [words.percent(part) for part in (0, 0.999, 1)] == ["0 %", "99 %", "100 %"]
