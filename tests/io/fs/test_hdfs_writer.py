"""The writer of hdfs://, over a played client of hdfs-native. tests/hdfs has a real one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

hdfs = pytest.importorskip("mrmesos.io.fs.hdfs", exc_type=ImportError)


class Client:
    """Keeps what it is given. The first `failures` writers fail at their second write."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.pieces: list[Any] = []
        self.closed = 0

    def create(self, path: str, options: Any) -> Client:
        self.pieces = []
        return self

    def write(self, data: Any) -> int:
        if self.failures and self.pieces:
            self.failures -= 1
            raise RuntimeError("no DataNode takes the block")
        self.pieces.append(data)
        return len(data)

    def close(self) -> None:
        self.closed += 1


def writer(client: Client) -> Any:
    return hdfs._Writer("/file", client)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, np.frombuffer, pa.py_buffer])
def test_the_driver_gets_bytes_of_bounded_size(kind: Any) -> None:
    data = b"0123456" * (3 * hdfs.WRITTEN_AT_ONCE // 7)
    client = Client()
    file = writer(client)
    assert file.write(kind(data, np.uint8) if kind is np.frombuffer else kind(data)) == len(data)
    file.close()
    file.close()
    # A memoryview costs the driver 9 s of CPU a GB.
    assert {type(piece) for piece in client.pieces} == {bytes}
    assert max(map(len, client.pieces)) <= hdfs.WRITTEN_AT_ONCE
    assert b"".join(client.pieces) == data
    assert client.closed == 1


def test_a_short_file_is_written_again() -> None:
    client = Client(failures=1)
    file = writer(client)
    for number in range(4):
        file.write(b"%d" % number * hdfs.WRITTEN_AT_ONCE)
    file.close()
    assert b"".join(client.pieces) == b"".join(b"%d" % n * hdfs.WRITTEN_AT_ONCE for n in range(4))


def test_a_long_file_fails_with_the_first_error() -> None:
    client = Client()
    file = writer(client)
    file.write(bytes(hdfs.HELD_BYTES + 1))
    client.failures = 1
    with pytest.raises(OSError, match="no DataNode takes the block"):
        file.write(b"more")
