"""Describes a problem with a file of columns: its place, its column, and what to do.

In: an exception of Arrow. Out: an InputError. Only a file that is really broken is called damaged.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pyarrow as pa

from mrmesos.io.compression.first_bytes import HEAD_BYTES, codec_in, not_text
from mrmesos.io.fs.filesystem import InputError, open_input
from mrmesos.io.input.formats.rows import arrow_says

_LFS = b"version https://git-lfs"
_OWN = {
    "Parquet": (b"PAR1", b"PARE"),
    "ORC": (b"ORC",),
    "Arrow IPC": (b"ARROW1",),
    "Avro": (b"Obj\x01",),
}
_IN_COLUMN = re.compile(r"^In column \d+: (Invalid: )?")
_TOO_MUCH = ("is out of range for", "acceptable range")
"""Arrow's words for a file that is whole, but has values that Arrow cannot hold."""
_REPLACE = "replace it, or use another input format"


class BadColumn(ValueError):
    """A column is valid, but cannot become what the job reads."""

    def __init__(self, column: str, why: str) -> None:
        super().__init__(f"the column {column!r}: {why}")


class BadValue(ValueError):
    """A value of a column is damaged."""

    def __init__(self, column: str, row: int, why: str) -> None:
        super().__init__(f"column {column!r}, row {row:,}: {why}")


class Misplaced(ValueError):
    """An exception with its place in the file, and its column if that is known."""

    def __init__(self, where: str, problem: Exception) -> None:
        joint = ", " if isinstance(problem, BadValue | Misplaced) else ": "
        super().__init__(f"{where}{joint}{arrow_says(problem)}")
        self.problem: Exception = problem.problem if isinstance(problem, Misplaced) else problem


@contextlib.contextmanager
def opened(uri: str, kind: str) -> Iterator[Any]:
    """Open a file for Arrow. Exceptions in the body become InputErrors that say what to do."""
    with open_input(uri) as raw:
        try:
            with pa.PythonFile(raw, mode="r") as file:
                yield file
        except (InputError, MemoryError):
            raise
        except Exception as exc:  # remote drivers raise any type
            raise _explained(uri, kind, exc) from exc


@contextlib.contextmanager
def in_unit(
    where: str, columns: Iterable[str] = (), probe: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Give exceptions of the body a place, such as `row group 2 of 5`.

    `probe` reads one column of that unit. The first column whose probe raises is named.
    """
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as exc:
        known = isinstance(exc, BadColumn | BadValue | Misplaced)
        culprit = "" if known or probe is None else _culprit(columns, probe)
        raise Misplaced(f"{where}{culprit}", exc) from exc


def _culprit(columns: Iterable[str], probe: Callable[[str], None]) -> str:
    for name in columns:
        try:
            probe(name)
        except Exception:  # noqa: BLE001 -- the first exception is reported; this one has its place
            return f", column {name!r}"
    return ""


def validate(columns: pa.RecordBatch, first_row: int) -> None:
    """Raise BadValue for invalid UTF-8 or wrong offsets, which would crash later."""
    try:
        columns.validate(full=True)
    except pa.ArrowInvalid as exc:
        raise _bad_value(columns, first_row, exc) from exc


def _bad_value(columns: pa.RecordBatch, first_row: int, exc: ValueError) -> ValueError:
    for name, column in zip(columns.schema.names, columns.columns, strict=True):
        if _is_valid(column):
            continue
        first, rows = 0, len(column)
        while rows > 1:  # the first bad row is in the first half, or in the second
            half = rows // 2
            if _is_valid(column.slice(first, half)):
                first, rows = first + half, rows - half
            else:
                rows = half
        return BadValue(name, first_row + first, _IN_COLUMN.sub("", arrow_says(exc)))
    return exc


def _is_valid(column: pa.Array) -> bool:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _explained(uri: str, kind: str, exc: Exception) -> InputError:
    problem = exc.problem if isinstance(exc, Misplaced) else exc
    if isinstance(problem, BadColumn):
        return InputError(f"{uri}: {arrow_says(exc)}")
    first = _first_bytes(uri)
    said = arrow_says(exc)
    if not first:
        said, advice = "it is empty", "replace it, or remove it from the input"
    elif found := _other_format(kind, first):
        said, advice = f"its first bytes are those of {found}", _REPLACE
    elif first.startswith(b"PARE") or _is_about_keys(said):
        advice = "it is encrypted, and mrmesos takes no keys: replace it by a decrypted file"
    elif isinstance(problem, pa.ArrowNotImplementedError):
        advice = f"Arrow {pa.__version__} does not support this: write the file again without it"
    elif "need to install" in said:
        advice = "here and on all agents: pip install 'mrmesos[avro]'"
    elif "too deeply nested" in said:
        advice = "flatten its columns, and replace it"
    elif any(words in said for words in _TOO_MUCH):
        advice = "leave the column out with columns=, or rewrite it as another type and replace it"
    else:
        advice = f"the file is damaged, truncated or of another format: {_REPLACE}"
    return InputError(f"{uri}: cannot be read as {kind}: {said}; {advice}")


def _is_about_keys(said: str) -> bool:
    return "decrypt" in said.lower() or "encrypted" in said.lower()


def _first_bytes(uri: str) -> bytes:
    try:
        with open_input(uri) as file:
            return bytes(file.read(HEAD_BYTES))
    except Exception:  # noqa: BLE001 -- only the first error matters
        return b"?"


def _other_format(kind: str, first: bytes) -> str:
    if any(first.startswith(magic) for magic in _OWN.get(kind, ())):
        return ""
    if first.startswith(_LFS):
        return "a pointer of Git LFS; fetch the file itself"
    if codec := codec_in(first):
        return f"{codec} data; such a file is compressed within, so decompress it"
    return not_text(first) or ""
