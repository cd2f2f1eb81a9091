"""The index of a map-output file reads back as written, and damage is always detected."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mrmesos.io.shuffle.index import CorruptIndexError, MapOutputIndex, Segment

segments = st.lists(
    st.builds(
        Segment,
        st.integers(0, 2**63),
        st.integers(0, 2**40),
        st.integers(0, 2**40),
        st.integers(0, 2**32 - 1),
    ),
    max_size=20,
)
same_dir = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@same_dir
@given(segments)
def test_comes_back_as_it_went(tmp_path: Path, written: list[Segment]) -> None:
    path = tmp_path / "file.out.index"
    MapOutputIndex(written).write(path)
    assert MapOutputIndex.read(path).segments == written


@same_dir
@given(segments, st.data())
def test_any_changed_byte_or_length_is_noticed(
    tmp_path: Path, written: list[Segment], data: st.DataObject
) -> None:
    path = tmp_path / "file.out.index"
    MapOutputIndex(written).write(path)
    whole = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    if at in (5, 6, 7):
        at = 0  # padding bytes carry no data
    whole[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    with pytest.raises(CorruptIndexError, match=r"file\.out\.index"):
        MapOutputIndex.read(path)
    MapOutputIndex(written).write(path)
    path.write_bytes(path.read_bytes()[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(CorruptIndexError):
        MapOutputIndex.read(path)


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        MapOutputIndex.read(tmp_path / "none")
