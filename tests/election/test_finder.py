"""The content of the leader's node counts only if it is an address."""

from __future__ import annotations

import pytest

from mrmesos.election.finder import is_address


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:5055", "https://jt.example:5055", "http://[::1]:80", "http://jt_1.x:1/"],
)
def test_addresses(url: str) -> None:
    assert is_address(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://",
        "http://x",
        "ftp://x:1",
        "http://[::1",
        "http://x:99999",
        "http://x:port",
        "http://x:1\nHost: y",
        "http://x:1/path",
        "http://x:1?q",
        "http://user@x:1",
        "http://\ud800:1",
        "http://é:1",
        "http://x" + "y" * 1_000 + ":1",
    ],
)
def test_what_is_none(url: str) -> None:
    assert not is_address(url)
