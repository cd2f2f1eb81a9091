"""Remote files return the same bytes as local files, with few requests."""

from __future__ import annotations

import io
import os
import threading

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.io.fs import read_ahead
from mrmesos.io.fs.filesystem import InputError, open_input
from mrmesos.io.fs.read_ahead import (
    FIRST_PIECE,
    OF_HDFS,
    OF_OBJECT_STORE,
    PAST_END,
    RemoteFile,
    Requests,
)
from mrmesos.io.fs.retry import retrying

DATA = os.urandom(1 << 16) * 200  # 12.5 MiB


class Server:
    """Serves DATA and records the requests."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []
        self.threads: set[int] = set()

    def fetch(self, start: int, end: int) -> bytes:
        self.asked.append((start, end))
        self.threads.add(threading.get_ident())
        return DATA[start:end]

    def zeros(self, start: int, end: int) -> bytes:
        """A file of any size."""
        self.asked.append((start, end))
        return bytes(end - start)


steps = st.lists(
    st.tuples(st.integers(0, len(DATA) + 10), st.integers(0, 3 << 20), st.integers(0, 2)),
    max_size=12,
)


kinds = st.sampled_from([Requests(), OF_HDFS, OF_OBJECT_STORE, Requests(1 << 20, 3)])


@given(steps, kinds, st.integers(-1, len(DATA)))
def test_any_reads_give_what_a_local_file_gives(
    moves: list[tuple[int, int, int]], requests: Requests, until: int
) -> None:
    server, local = Server(), io.BytesIO(DATA)
    with RemoteFile(server.fetch, len(DATA), until=until, requests=requests) as remote:
        for offset, count, whence in moves:
            back = {0: offset, 1: 0, 2: -min(offset, len(DATA))}[whence]
            assert remote.seek(back, whence) == local.seek(back, whence)
            assert remote.read(count) == local.read(count)
            assert remote.tell() == local.tell()
    assert all(0 <= start < end <= len(DATA) for start, end in server.asked)


def test_reading_in_order_takes_few_requests_each_byte_once_and_one_ahead() -> None:
    server = Server()
    with RemoteFile(server.fetch, len(DATA), requests=OF_HDFS) as file:
        data = bytearray()
        while part := file.read(1 << 20):
            data += part
    assert data == DATA
    assert len(server.asked) <= 2 + len(DATA) // OF_HDFS.piece
    assert sum(end - start for start, end in server.asked) == len(DATA)
    assert max(end - start for start, end in server.asked) == OF_HDFS.piece
    assert len(server.threads) == 2


def test_a_planned_read_of_an_object_store_takes_one_request_for_8_mib() -> None:
    server, size = Server(), 512 << 20
    for start in (0, 64 << 20, 320 << 20):
        server.asked.clear()
        until = start + (64 << 20)
        with RemoteFile(server.zeros, size, until=until, requests=OF_OBJECT_STORE) as file:
            file.read(100)  # the reader looks at the first bytes of the file
            file.seek(start)
            left = 64 << 20
            while left:
                left -= len(file.read(min(left, 1 << 20)))
        assert len(server.asked) <= 9
        past = sum(end - begin for begin, end in server.asked) - (64 << 20)
        assert past <= FIRST_PIECE + PAST_END


def test_requests_to_an_object_store_run_at_once() -> None:
    both = threading.Barrier(2)

    def fetch(start: int, end: int) -> bytes:
        if 0 < start < 16 << 20:  # the two after the first piece
            both.wait(30.0)
        return bytes(end - start)

    size = 40 << 20
    with RemoteFile(fetch, size, until=size, requests=OF_OBJECT_STORE) as file:
        file.read(100)
        assert len(file.read(size)) == size - 100


def test_a_reader_that_goes_elsewhere_forgets_what_was_ahead() -> None:
    server, size = Server(), 512 << 20
    with RemoteFile(server.zeros, size, until=size, requests=OF_OBJECT_STORE) as file:
        file.seek(64 << 20)
        file.read(1 << 20)
        file.seek(256 << 20)
        assert len(file.read(1 << 20)) == 1 << 20
        file.seek(0)
        assert len(file.read(100)) == 100
    assert (0, FIRST_PIECE) in server.asked


def test_a_footer_costs_no_large_request() -> None:
    server = Server()
    with RemoteFile(server.fetch, len(DATA), requests=OF_HDFS) as file:
        file.seek(1000)
        file.read(8)
    assert server.asked == [(1000, 1000 + FIRST_PIECE)]


def test_little_is_fetched_past_where_the_reader_means_to_stop() -> None:
    server, until = Server(), 6 << 20
    with RemoteFile(server.fetch, len(DATA), until=until, requests=OF_HDFS) as file:
        assert len(file.read(until)) == until
        assert file.read(100) == DATA[until : until + 100]
    assert max(end for _, end in server.asked) <= until + PAST_END


def test_seeks_before_the_beginning_are_refused() -> None:
    with RemoteFile(Server().fetch, len(DATA)) as file, pytest.raises(ValueError, match="negative"):
        file.seek(-1)


def test_a_connection_that_breaks_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    fs = fsspec.filesystem("memory")
    fs.pipe_file("/reading/x", DATA)
    opened: list[Flaky] = []

    class Flaky(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if len(opened) < 3:
                raise ConnectionResetError("gone")
            return super().read(size)

    def open_flaky(path: str, mode: str = "rb", **_: object) -> Flaky:
        opened.append(Flaky(DATA))
        return opened[-1]

    monkeypatch.setattr(type(fs), "open", lambda self, *args, **kw: open_flaky(*args, **kw))
    monkeypatch.setattr(read_ahead, "retrying", lambda: retrying(lambda seconds: None))
    with open_input("memory://reading/x") as file:
        assert file.read(100) == DATA[:100]
    assert len(opened) == 3
    fs.rm("/reading", recursive=True)


def test_a_file_that_became_shorter_is_an_error() -> None:
    with RemoteFile(lambda start, end: b"", 100) as file, pytest.raises(EOFError, match="byte 0"):
        file.read(10)


def test_a_remote_file_that_is_not_there_is_told_by_its_uri() -> None:
    with pytest.raises(InputError, match="memory://nowhere/x: cannot be read: No such"):
        open_input("memory://nowhere/x")
