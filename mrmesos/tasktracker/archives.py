"""Archives that travel with jobs: what they are, how large they become, and unpacking them.

Recognised by their bytes and not by their names: zip files (wheels are such) and tar files,
compressed or not.
"""

from __future__ import annotations

import os
import tarfile
import zipfile
from pathlib import Path

MAX_MEMBERS = 200_000

_BLOCK = 4096  # what a small file takes of a disk


class BadArchive(ValueError):
    """It cannot be unpacked; the message names it and says why."""


def unpacked_bytes(archive: Path) -> int:
    """The room that it takes when unpacked. Raises BadArchive."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                sizes = [member.file_size for member in packed.infolist()]
        elif tarfile.is_tarfile(archive):
            with tarfile.open(archive) as tar:
                sizes = []
                for each in tar:
                    sizes.append(each.size)
                    if len(sizes) > MAX_MEMBERS:
                        break
        else:
            raise BadArchive(f"{archive.name} is no zip or tar archive")
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile) as problem:
        raise BadArchive(f"{archive.name} cannot be unpacked: {problem}") from problem
    if len(sizes) > MAX_MEMBERS:
        raise BadArchive(f"{archive.name} holds more than {MAX_MEMBERS:,} files")
    return sum(max(size, _BLOCK) for size in sizes)


def unpack(archive: Path, into: Path) -> None:
    """Unpack it into a new directory; files become read-only, as every attempt sees the same.

    Nothing is written outside of `into`. Raises BadArchive.
    """
    into.mkdir(parents=True)
    try:
        if zipfile.is_zipfile(archive):
            _unzip(archive, into)
        else:
            with tarfile.open(archive) as tar:
                tar.extractall(into, filter="data")
    except (OSError, EOFError, RuntimeError, tarfile.TarError, zipfile.BadZipFile) as problem:
        raise BadArchive(f"{archive.name} cannot be unpacked: {problem}") from problem
    for directory, _, names in os.walk(into):
        for name in names:
            path = Path(directory, name)
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & 0o555)


def _unzip(archive: Path, into: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        for member in packed.infolist():
            path = Path(packed.extract(member, into))
            if not member.is_dir() and member.external_attr >> 16 & 0o111:
                path.chmod(0o755)  # which `extract` leaves out
