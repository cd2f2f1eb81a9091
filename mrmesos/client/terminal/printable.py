"""Makes texts of other users safe for a terminal."""

from __future__ import annotations

import re

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")

_LINES = re.compile(r"[\t\n\u2028\u2029]")


def printable(text: str) -> str:
    """Replace control characters by escapes, except tabs and newlines.

    Names, errors and logs come from others. Their escape sequences could rewrite the screen.
    """
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text)


def one_line(text: str) -> str:
    """Like `printable`, and also replace tabs and line ends: for a cell of a table."""
    return _LINES.sub(lambda found: ascii(found[0])[1:-1], printable(text))
