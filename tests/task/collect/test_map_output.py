"""How much of a map's output stays uncompressed."""

from __future__ import annotations

import pytest

from mrmesos.task.collect.map_output import raw_bytes


@pytest.mark.parametrize(
    "url", ["http://127.0.0.2:31000", "https://127.0.0.1:1", "http://[::1]:31000"]
)
def test_output_that_no_other_machine_can_fetch_may_be_as_large_as_the_memory(url: str) -> None:
    assert raw_bytes(url, 8, 1600) == 200
    assert raw_bytes(url, 0, 1600) == 1600


@pytest.mark.parametrize("url", ["http://10.0.0.7:31000", "http://127.example.org:31000", ""])
def test_output_that_may_travel_is_compressed(url: str) -> None:
    assert raw_bytes(url, 8, 1600) == 0
