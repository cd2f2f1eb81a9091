"""Damages files: flips a bit, cuts off the end, or removes the file."""

from __future__ import annotations

import random
from pathlib import Path


def flip(path: Path, rng: random.Random, begin: int = 0, length: int | None = None) -> str:
    """Flip one bit in the `length` bytes from `begin` on.

    Returns a description; empty if there are no such bytes. Raises OSError.
    """
    with path.open("r+b", buffering=0) as file:
        size = file.seek(0, 2)
        end = size if length is None else min(size, begin + length)
        if begin >= end:
            return ""
        at, bit = rng.randrange(begin, end), rng.randrange(8)
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1 << bit]))
    return f"bit {bit} of byte {at} of {size}"


def truncate(path: Path, rng: random.Random) -> str:
    """Cut off the file's end. Returns a description; empty for an empty file. Raises OSError."""
    with path.open("r+b", buffering=0) as file:
        size = file.seek(0, 2)
        if not size:
            return ""
        left = rng.randrange(size)
        file.truncate(left)
    return f"{left} of {size} bytes left"


def remove(path: Path, _: random.Random) -> str:
    """Remove the file. Returns a description. Raises OSError."""
    path.unlink()
    return "removed"
