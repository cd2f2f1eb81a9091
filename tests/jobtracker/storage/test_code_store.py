"""The code store is bounded, checks uploads, and keeps the files of live jobs."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.jobtracker.storage.code_store import CodeRejected, CodeStore, CodeStoreFull


def sha(code: bytes) -> str:
    return hashlib.sha256(code).hexdigest()


def code_of(number: int, size: int = 10) -> bytes:
    return str(number).encode().ljust(size, b".")


def got(store: CodeStore, code: bytes) -> bytes | None:
    path = store.path(sha(code))
    return None if path is None else path.read_bytes()


def test_put_and_get() -> None:
    store = CodeStore()
    assert got(store, b"x") is None
    assert store.put(sha(b"x"), b"x")
    assert not store.put(sha(b"x"), b"x")
    assert got(store, b"x") == b"x"
    path = store.path(sha(b"x"))
    store.close()
    assert path is not None
    assert not path.parent.exists()


def test_bytes_must_be_those_of_the_hash_and_not_too_many(tmp_path: Path) -> None:
    store = CodeStore(tmp_path, max_code_bytes=3)
    with pytest.raises(CodeRejected, match="do not have the SHA-256"):
        store.put(sha(b"x"), b"y")
    with pytest.raises(CodeRejected, match="over the limit of 3"):
        store.put(sha(b"xxxx"), b"xxxx")
    with pytest.raises(CodeRejected, match="more bytes"), store.receive() as upload:
        upload.write(b"xxxx")
    with pytest.raises(CodeRejected, match="more bytes"), store.receive(1) as upload:
        upload.write(b"xx")
    with store.receive(2) as upload:
        upload.write(b"x")  # then the client goes away
    assert store.stored_bytes == 0
    assert list(tmp_path.iterdir()) == []


def test_the_least_recently_used_goes_first() -> None:
    store = CodeStore(max_store_bytes=30)
    codes = [code_of(n) for n in range(4)]
    for code in codes[:3]:
        store.put(sha(code), code)
    store.path(sha(codes[0]))
    store.put(sha(codes[3]), codes[3])
    assert got(store, codes[1]) is None
    assert all(got(store, codes[n]) for n in (0, 2, 3))
    store.close()


def test_an_upload_under_way_counts_against_the_limit() -> None:
    store = CodeStore(max_store_bytes=30)
    with store.receive(25) as upload:
        with pytest.raises(CodeStoreFull):
            store.put(sha(code_of(1)), code_of(1))
        upload.write(b"ended early")
        upload.keep(sha(b"ended early"))
    store.put(sha(code_of(1)), code_of(1))
    assert store.stored_bytes == 21
    store.close()


def test_code_of_live_jobs_stays() -> None:
    store = CodeStore(max_store_bytes=20)
    first, second, third = (code_of(n) for n in range(3))
    store.put(sha(first), first)
    assert not store.pin("job_1", [sha(first)])
    assert not store.pin("job_2", [sha(first), sha(first)])
    assert store.pin("job_3", [sha(first), sha(b"unknown")]) == sha(b"unknown")
    store.put(sha(second), second)
    store.put(sha(third), third)
    assert got(store, first) == first
    assert got(store, second) is None
    assert not store.pin("job_4", [sha(third)])
    with pytest.raises(CodeStoreFull):
        store.put(sha(second), second)
    store.unpin("job_1")
    with pytest.raises(CodeStoreFull):
        store.put(sha(second), second)
    store.unpin("job_2")
    store.unpin("job_2")
    assert store.put(sha(second), second)
    assert got(store, first) is None
    store.close()


def test_a_store_with_a_directory_goes_on_where_the_last_one_was(tmp_path: Path) -> None:
    CodeStore(tmp_path).put(sha(b"x"), b"x")
    (tmp_path / "left.part").write_bytes(b"of an upload")
    store = CodeStore(tmp_path)
    assert got(store, b"x") == b"x"
    assert store.stored_bytes == 1
    assert not store.damaged(sha(b"x"))
    assert store.damaged(sha(b"y"))
    (tmp_path / sha(b"x")).write_bytes(b"z")
    assert store.damaged(sha(b"x"))
    store.close()
    assert [path.name for path in tmp_path.iterdir()] == [sha(b"x")]


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
            assert got(store, code) in (None, code)
        elif verb == "pin":
            if not store.pin(f"job_{number}", [sha(code)]):
                pinned.add(number)
        else:
            store.unpin(f"job_{number}")
            pinned.discard(number)
        assert store.stored_bytes <= 35
        for one in pinned:
            assert got(store, code_of(one)) == code_of(one)
    store.close()
