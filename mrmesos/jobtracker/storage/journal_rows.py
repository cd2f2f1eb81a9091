"""Checks and decodes rows of the journal's table. Each row has a checksum over key and body."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec

from mrmesos.jobtracker.core.messages.journal_records import KINDS, Key, Record

COPY = "copy"
COPIED = frozenset({"life", "framework"})
"""The journal keeps a second row, named COPY, of these kinds, because nothing works without them.
"""

Row = tuple[str, str, str, object, object]
"""Key, body and checksum. A damaged cell may have any type."""


@cache
def _decoder(kind: str) -> msgspec.msgpack.Decoder[Any]:
    """Made when the first row of its kind is read: most JobTrackers start without a journal."""
    return msgspec.msgpack.Decoder(KINDS[kind])


class DamagedRows(msgspec.Struct, frozen=True):
    """A row that failed its check, and why."""

    key: Key
    why: str


@dataclass(slots=True)
class FoundRows:
    """What a start found: valid records, damaged rows, and rows to write again."""

    records: list[Record] = field(default_factory=list)
    damaged: list[DamagedRows] = field(default_factory=list)
    repaired: list[tuple[Key, Record]] = field(default_factory=list)
    """Valid records whose row is damaged, each with the row's key."""


def checksum(job: str, kind: str, name: str, body: bytes) -> int:
    """CRC-32 over key and body."""
    return zlib.crc32(body, zlib.crc32(f"{job}\0{kind}\0{name}".encode()))


def read_rows(rows: Iterable[Row]) -> FoundRows:
    """Sort the rows into records, damaged rows, and repaired ones."""
    found, copies = FoundRows(), dict[str, Record]()
    for job, kind, name, body, check in rows:
        key = Key(job, kind, name)
        record = _valid_record(key, body, check)
        if record is None:
            found.damaged.append(
                DamagedRows(key, f"the record {_named(key)} is damaged, or of another release")
            )
        elif kind in COPIED and name == COPY:
            copies[kind] = record
        else:
            found.records.append(record)
            if record.filed_as != key:
                found.repaired.append((key, record))
    _use_copies(found, copies)
    return found


def _use_copies(found: FoundRows, copies: dict[str, Record]) -> None:
    kinds = {record.filed_as.kind for record in found.records}
    for kind, record in copies.items():
        if kind not in kinds:
            found.records.append(record)
            found.repaired.append((record.filed_as, record))
            kinds.add(kind)
    for one in list(found.damaged):
        if one.key.kind in COPIED and one.key.kind in kinds:
            found.damaged.remove(one)
            record = next(r for r in found.records if r.filed_as.kind == one.key.kind)
            found.repaired.append((one.key, record))


def _valid_record(key: Key, body: object, check: object) -> Record | None:
    """The valid record of a row, or None. If only the key is damaged, the body tells the key."""
    if not isinstance(body, bytes):
        return None
    if check == checksum(*key, body):
        return _decoded(key.kind, body)
    for kind in (key.kind, *KINDS):
        record = _decoded(kind, body)
        if record is not None and check == checksum(*record.filed_as, body):
            return record
    return None


def _decoded(kind: str, body: bytes) -> Record | None:
    if kind not in KINDS:
        return None
    try:
        record: Record = _decoder(kind).decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None  # the caller says which row it is
    return record


def _named(key: Key) -> str:
    return " ".join(filter(None, key))
