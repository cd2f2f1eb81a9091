"""The code store is bounded, checks what it is given, and keeps what live jobs use."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.jobtracker.code_store import CodeRejected, CodeStore, CodeStoreFull


def sha(code: bytes) -> str:
    return hashlib.sha256(code).hexdigest()


def code_of(number: int, size: int = 10) -> bytes:
    return str(number).encode().ljust(size, b".")


def test_put_and_get() -> None:
    store = CodeStore()
    assert store.get(sha(b"x")) is None
    assert store.put(sha(b"x"), b"x")
    assert not store.put(sha(b"x"), b"x")
    assert store.get(sha(b"x")) == b"x"


def test_bytes_must_be_those_of_the_hash_and_not_too_many() -> None:
    store = CodeStore(max_code_bytes=3)
    with pytest.raises(CodeRejected, match="not those"):
        store.put(sha(b"x"), b"y")
    with pytest.raises(CodeRejected, match="over 3"):
        store.put(sha(b"xxxx"), b"xxxx")
    assert store.stored_bytes == 0


def test_the_least_recently_used_goes_first() -> None:
    store = CodeStore(max_store_bytes=30)
    codes = [code_of(n) for n in range(4)]
    for code in codes[:3]:
        store.put(sha(code), code)
    store.get(sha(codes[0]))
    store.put(sha(codes[3]), codes[3])
    assert store.get(sha(codes[1])) is None
    assert all(store.get(sha(codes[n])) for n in (0, 2, 3))


def test_code_of_live_jobs_stays() -> None:
    store = CodeStore(max_store_bytes=20)
    first, second, third = (code_of(n) for n in range(3))
    store.put(sha(first), first)
    assert store.pin("job_1", sha(first))
    assert store.pin("job_2", sha(first))
    assert not store.pin("job_3", sha(b"unknown"))
    store.put(sha(second), second)
    store.put(sha(third), third)
    assert store.get(sha(first)) == first
    assert store.get(sha(second)) is None
    assert store.pin("job_4", sha(third))
    with pytest.raises(CodeStoreFull):
        store.put(sha(second), second)
    store.unpin("job_1")
    with pytest.raises(CodeStoreFull):
        store.put(sha(second), second)
    store.unpin("job_2")
    store.unpin("job_2")
    assert store.put(sha(second), second)
    assert store.get(sha(first)) is None


@given(
    st.lists(
        st.tuples(st.sampled_from(["put", "get", "pin", "unpin"]), st.integers(0, 5)), max_size=60
    )
)
def test_never_over_its_bound_and_never_without_pinned_code(steps: list[tuple[str, int]]) -> None:
    store = CodeStore(max_store_bytes=35)
    pinned: set[int] = set()
    for verb, number in steps:
        code = code_of(number)
        if verb == "put":
            try:
                store.put(sha(code), code)
            except CodeStoreFull:
                assert len(pinned) >= 3
        elif verb == "get":
            assert store.get(sha(code)) in (None, code)
        elif verb == "pin":
            if store.pin(f"job_{number}", sha(code)):
                pinned.add(number)
        else:
            store.unpin(f"job_{number}")
            pinned.discard(number)
        assert store.stored_bytes <= 35
        for one in pinned:
            assert store.get(sha(code_of(one))) == code_of(one)
