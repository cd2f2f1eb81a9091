"""Texts of users become valid Unicode in messages; valid texts stay unchanged."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.wire.text import unicode_only, unicode_text

any_text = st.text(st.characters())
"""With lone surrogates, unlike what `st.text()` makes."""


@given(any_text)
def test_every_text_can_be_encoded_and_unicode_stays(text: str) -> None:
    told = unicode_text(text)
    told.encode()
    assert unicode_text(told) == told
    try:
        text.encode()
    except UnicodeEncodeError:
        assert told == "".join(
            f"\\u{ord(each):x}" if 0xD800 <= ord(each) < 0xE000 else each for each in text
        )
    else:
        assert told is text


@given(
    st.recursive(
        any_text | st.integers(-(1 << 63), (1 << 63) - 1) | st.none() | st.booleans(),
        lambda inner: st.lists(inner) | st.dictionaries(any_text, inner),
        max_leaves=10,
    )
)
def test_every_message_can_be_encoded(value: object) -> None:
    msgspec.msgpack.encode(unicode_only(value))
    msgspec.json.encode(unicode_only(value))
