"""Segments that a reduce reads from the files of its own TaskTracker."""

from __future__ import annotations

import http.client
import io
import os
import threading
from pathlib import Path
from typing import cast

import msgspec
import pyarrow as pa
import pytest

from mrmesos.api import pairs
from mrmesos.io.columns.encode import decode_batch
from mrmesos.io.shuffle.segments import write_segment
from mrmesos.task.shuffle.segment_receiver import DamagedSegment, Fetched, NotServed, Receiver
from mrmesos.wire.shuffle import FrameHeader
from mrmesos.wire.task import MapOutput
from tests.task.shuffle.shuffle_peers import attempt

MAP = MapOutput(map_index=0, attempt_id=attempt(0), url="http://127.0.0.1:1")
ROWS = 30_000


@pytest.fixture
def header(tmp_path: Path) -> FrameHeader:
    """A segment of some 200 KB behind other bytes in a map's data file."""
    path = tmp_path / "map" / "file.out"
    path.parent.mkdir()
    with path.open("wb") as file:
        file.write(b"another partition")
        batch = pairs(pa.array(range(ROWS)), pa.nulls(ROWS))
        made = write_segment(file, [batch], codec=None)
    return FrameHeader(
        MAP.attempt_id, "ok", made.length, made.rows, made.crc32, str(path), made.offset
    )


def received(header: FrameHeader, work: Path, budget: int) -> Fetched:
    work.mkdir(exist_ok=True)
    answer = cast(http.client.HTTPResponse, io.BytesIO(msgspec.json.encode(header) + b"\n"))
    receiver = Receiver(budget, 60.0, threading.Event())
    fetched = receiver.receive(answer, MAP, work / "fetched-000.data")
    assert receiver.bytes == header.length
    return fetched


def keys(fetched: Fetched) -> list[object]:
    return [key for batch in fetched.run().open() for key in decode_batch(batch)[0]]


@pytest.mark.parametrize("budget", [1 << 20, 1000])
def test_it_outlives_the_maps_directory(tmp_path: Path, header: FrameHeader, budget: int) -> None:
    work = tmp_path / "work"
    fetched = received(header, work, budget)
    Path(header.path).unlink()
    assert keys(fetched) == list(range(ROWS))
    assert len(list(work.iterdir())) == (header.length > budget)


def test_it_is_not_copied_to_another_file(tmp_path: Path, header: FrameHeader) -> None:
    fetched = received(header, tmp_path / "work", 1000)
    assert isinstance(fetched.source, Path)
    assert fetched.source.samefile(header.path)
    again = received(header, tmp_path / "work", 1000)  # as after an answer that broke off
    assert keys(again) == list(range(ROWS))


def test_without_hard_links_it_is_copied(
    tmp_path: Path, header: FrameHeader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    fetched = received(header, tmp_path / "work", 1000)
    Path(header.path).unlink()
    assert keys(fetched) == list(range(ROWS))


@pytest.mark.parametrize("budget", [1 << 20, 1000])
def test_damage_and_loss_are_the_maps_fault(
    tmp_path: Path, header: FrameHeader, budget: int
) -> None:
    path, work = Path(header.path), tmp_path / "work"
    data = bytearray(path.read_bytes())
    data[header.offset + header.length // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedSegment):
        received(header, work, budget)
    path.write_bytes(data[:-1])
    with pytest.raises(NotServed, match="shorter"):
        received(header, work, budget)
    path.unlink()
    with pytest.raises(NotServed, match="cannot be opened"):
        received(header, work, budget)
