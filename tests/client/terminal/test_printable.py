"""Texts of other users cannot rewrite the screen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mrmesos.client.terminal.printable import printable
from mrmesos.client.terminal.results import format_counters, format_error
from mrmesos.wire.task import AttemptError, ErrorKind

EVIL = "\x1b[2J\x1b]0;title\x07\r\x9b1m\u202egnp"


def test_control_characters_become_escapes() -> None:
    assert printable("a\tb\n") == "a\tb\n"
    assert printable("\x1b[31mred\r") == r"\x1b[31mred\r"
    assert printable("Zoë 数 😀") == "Zoë 数 😀"


@given(st.text())
def test_none_is_left(text: str) -> None:
    shown = printable(text)
    assert all(letter in "\t\n" or ord(letter) >= 32 for letter in shown)
    assert not set(shown) & set("\x7f\x9b\u202e")
    assert printable(shown) == shown


def test_errors_and_counters_are_shown_so() -> None:
    error = AttemptError(kind=ErrorKind.USER_CODE, message=EVIL, detail=EVIL, where=EVIL)
    shown = format_error(error, EVIL) + format_counters({EVIL: {EVIL: 1}})
    assert "\x1b" not in shown
    assert "\r" not in shown
    assert r"\x1b[2J" in shown
