"""Pools are read from a setting's text and from a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.conf import Conf, ConfError
from mrmesos.jobtracker.core.jobtracker import JobTracker
from mrmesos.jobtracker.core.model.pools import PoolShare, parse_pools, pools_text
from mrmesos.jobtracker.storage.pools_file import with_pools_file

shares = st.builds(PoolShare, st.integers(1, 10**6), st.integers(0, 10**6))


def test_text() -> None:
    assert parse_pools(" etl : weight=2, min=4 ; adhoc ; ") == {
        "etl": PoolShare(2000, 4000),
        "adhoc": PoolShare(),
    }


@given(st.dictionaries(st.sampled_from(["a", "b c", "d.e"]), shares))
def test_what_is_written_is_read(pools: dict[str, PoolShare]) -> None:
    assert parse_pools(pools_text(pools)) == pools


@pytest.mark.parametrize(
    "text", ["a;a", ":weight=1", "a:weight", "a:min=1,min=2", "a:max=3", "a:weight=0", "a:min=-1"]
)
def test_what_is_no_pool_is_refused(text: str) -> None:
    with pytest.raises(ConfError, match="pools"):
        JobTracker(Conf({"pools": text}), "202611201130")


def test_a_file_of_pools_and_what_goes_before_it(tmp_path: Path) -> None:
    path = tmp_path / "pools.toml"
    path.write_text("[etl]\nweight = 2\nmin = 4\n\n[adhoc]\nweight = 0.5\n")
    conf = with_pools_file(Conf({"pools.file": str(path), "pools": "adhoc:weight=3"}))
    assert parse_pools(conf["pools"]) == {"etl": PoolShare(2000, 4000), "adhoc": PoolShare(3000)}


@pytest.mark.parametrize("text", ["weight = 2", "[a]\nmax = 2", "[a]\nweight = 'much'", "no toml"])
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pools.toml"
    path.write_text(text)
    with pytest.raises(ConfError, match="pools"):
        with_pools_file(Conf({"pools.file": str(path)}))
