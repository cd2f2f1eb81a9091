"""Order by fields of keys, against GNU sort."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrmesos.streaming.key_fields import BadKeyOptions, parse_ranges, part_of, sort_codes

FIELD = st.text("ab1.-0 9", max_size=4)
NUMBER = st.one_of(st.integers(-99, 99).map(str), st.decimals(-9, 9, places=2).map(str))
OPTIONS = ["-k1,1", "-k2,2n", "-k2,2nr", "-k1,1r -k2,2nr", "-k1,1 -k2n", "-k2.1,2.1", "-r", "-k2r"]


@pytest.mark.skipif(shutil.which("sort") is None, reason="GNU sort is not installed")
@pytest.mark.parametrize("options", OPTIONS)
@settings(max_examples=40)
@given(keys=st.lists(st.tuples(FIELD, NUMBER, FIELD).map("\t".join)))
def test_keys_are_sorted_as_by_gnu_sort(options: str, keys: list[str]) -> None:
    data = [key.encode() for key in keys]
    codes = sort_codes(data, b"\t", parse_ranges(options))
    ours = [key for _, key in sorted(zip(codes, data, strict=True), key=lambda pair: pair[0])]
    words = ["sort", "--stable", "-t", "\t", *options.split()]
    text = "".join(f"{key}\n" for key in keys)
    made = subprocess.run(
        words, input=text.encode(), capture_output=True, env={"LC_ALL": "C"}, check=True
    )
    assert ours == made.stdout.splitlines()


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ("-k1", b"ab.cde.f"),
        ("-k2,2", b"cde"),
        ("-k2.2,2.3", b"de"),
        ("-k1.2,2.1", b"b.c"),
        ("-k3,9", b"f"),
        ("-k4", b""),
        ("-k 2,2", b"cde"),
    ],
)
def test_the_part_of_a_key(options: str, part: bytes) -> None:
    key = b"ab.cde.f"
    assert part_of(key, key.split(b"."), b".", parse_ranges(options)[0]) == part


@pytest.mark.parametrize("options", ["-k", "-k0", "-kx", "-k1,", "1,2", "-q", "-k1,0"])
def test_options_that_are_none(options: str) -> None:
    with pytest.raises(BadKeyOptions, match="-k"):
        parse_ranges(options)
