"""Digests to compare two outputs: hashes of lines, computed outside the measured time."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

BLOCK = 1 << 20


def data_files(path: Path) -> list[Path]:
    """The file itself, or a directory's files in order, without `_SUCCESS`, `.crc` and such."""
    if path.is_file():
        return [path]
    return sorted(file for file in path.iterdir() if file.is_file() and file.name[0] not in "_.")


def digest_in_order(path: Path) -> str:
    """The digest of the bytes of all files in order, for outputs with a total order."""
    return hash_of(block for file in data_files(path) for block in blocks_of_file(file))


def digest_of_lines(path: Path, scratch: Path) -> str:
    """The digest of the sorted lines; it does not depend on their order or the number of files."""
    files = data_files(path)
    if not files:
        return hash_of(())
    command = ["sort", "--parallel=2", "-S", "512M", "-T", str(scratch), "--files0-from=-"]
    environment = {**os.environ, "LC_ALL": "C"}
    with tempfile.TemporaryFile(dir=scratch) as names:
        names.write(b"\0".join(os.fsencode(file) for file in files))
        names.seek(0)
        with subprocess.Popen(
            command, stdin=names, stdout=subprocess.PIPE, env=environment
        ) as sort:
            assert sort.stdout is not None
            result = hash_of(blocks(sort.stdout))
    if sort.returncode != 0:
        raise OSError(f"sort of {path} ended with exit code {sort.returncode}")
    return result


def hash_of(parts: Iterable[bytes]) -> str:
    """SHA-256 of all parts together."""
    total = hashlib.sha256()
    for part in parts:
        total.update(part)
    return total.hexdigest()


def blocks_of_file(path: Path) -> Iterator[bytes]:
    """A file's bytes."""
    with path.open("rb") as file:
        yield from blocks(file)


def blocks(file: IO[bytes]) -> Iterator[bytes]:
    """The rest of the file, a MiB at a time."""
    while block := file.read(BLOCK):
        yield block
