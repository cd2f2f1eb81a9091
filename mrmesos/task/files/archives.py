"""Archives that travel with jobs: measures and unpacks zip and tar files, compressed or not.

A file's bytes decide what it is, not its name: a wheel is a zip file, for example. The rules for
the contents are in `mrmesos.access.unpacking`.
"""

from __future__ import annotations

import itertools
import lzma
import os
import tarfile
import zipfile
import zlib
from pathlib import Path

from mrmesos.access.unpacking import UnsafeArchive, check_tar, check_zip

MAX_MEMBERS = 200_000

_BLOCK = 4096  # bytes that even a small file takes on a disk

_PROBLEMS = (
    *(OSError, EOFError, RuntimeError, zlib.error, lzma.LZMAError),
    *(tarfile.TarError, zipfile.BadZipFile, UnsafeArchive, OverflowError, UnicodeError),
)


class BadArchive(ValueError):
    """The archive cannot be unpacked. The message names it and says why."""


def unpacked_bytes(archive: Path) -> int:
    """How many bytes the archive takes when unpacked. Raises BadArchive."""
    somewhere = archive.with_name(f"{archive.name}.unpacked")
    sizes: list[int] = []
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                sizes = [member.file_size for member in packed.infolist()]
                if len(sizes) <= MAX_MEMBERS:
                    check_zip(packed.infolist(), somewhere)
        elif tarfile.is_tarfile(archive):
            with tarfile.open(archive) as tar:
                members = list(itertools.islice(tar, MAX_MEMBERS + 1))
                sizes = [member.size for member in members]
                if len(sizes) <= MAX_MEMBERS:
                    check_tar(members, somewhere)
        else:
            raise BadArchive(f"{archive.name} is not a zip or tar archive")
    except _PROBLEMS as problem:
        raise BadArchive(f"{archive.name} cannot be unpacked: {problem}") from problem
    if len(sizes) > MAX_MEMBERS:
        raise BadArchive(f"{archive.name} holds more than {MAX_MEMBERS:,} files")
    return sum(max(size, _BLOCK) for size in sizes)


def unpack(archive: Path, into: Path) -> None:
    """Unpack the archive into a new directory. Files become read-only, because all attempts share
    them.

    Nothing is written outside `into`. Raises BadArchive.
    """
    into.mkdir(parents=True)
    try:
        if zipfile.is_zipfile(archive):
            _unzip(archive, into)
        else:
            with tarfile.open(archive) as tar:
                members = tar.getmembers()
                check_tar(members, into)
                tar.extractall(into, members, filter="data")
    except _PROBLEMS as problem:
        raise BadArchive(f"{archive.name} cannot be unpacked: {problem}") from problem
    for directory, _, names in os.walk(into):
        for name in names:
            path = Path(directory, name)
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & 0o555)


def _unzip(archive: Path, into: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        members = packed.infolist()
        check_zip(members, into)
        for member in members:
            path = Path(packed.extract(member, into))
            if not member.is_dir() and member.external_attr >> 16 & 0o111:
                path.chmod(0o755)  # `extract` does not set the mode
