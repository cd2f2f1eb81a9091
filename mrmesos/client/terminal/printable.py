"""What users wrote, as a terminal may be given it."""

from __future__ import annotations

import re

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")

_LINES = re.compile(r"[\t\n\u2028\u2029]")


def printable(text: str) -> str:
    """With control characters as escapes, but for tabs and newlines: names, errors and logs come
    from others, whose escape sequences could rewrite what stands on the screen.
    """
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text)


def one_line(text: str) -> str:
    """`printable`, with tabs and all that ends a line as escapes, too: a cell of a table."""
    return _LINES.sub(lambda found: ascii(found[0])[1:-1], printable(text))
