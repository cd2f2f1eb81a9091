"""The place of an election."""

from __future__ import annotations

import pytest

from mrmesos.election.place import Place


def test_hosts_and_a_path() -> None:
    place = Place.parse("zk://h1:2181,h2:2181/mrmesos/etl/")
    assert (place.hosts, place.path, place.credentials) == ("h1:2181,h2:2181", "/mrmesos/etl", "")
    assert place.node("leader") == "/mrmesos/etl/leader"
    assert Place.parse(place.url) == place


def test_credentials_are_not_shown() -> None:
    place = Place.parse("zk://us:p@ss@h1/x")
    assert (place.hosts, place.credentials) == ("h1", "us:p@ss")
    assert place.url == "zk://h1/x"


@pytest.mark.parametrize(
    "url", ["", "h1:2181/x", "zk://h1:2181", "zk://h1/", "zk:///x", "zk://h1,/x", "zk://u@h1/x"]
)
def test_all_else_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="zk://"):
        Place.parse(url)
