"""The number of the last commit, in a file beside the journal.

If a frame of the write-ahead log is damaged, SQLite silently drops this frame and all later ones,
and returns an older state. So each commit also writes its number here, with one `pwrite` and no
fsync. While the machine runs, the page cache keeps this page, even if the process dies, just as it
keeps the log. After a power loss, both may be older. Then only synced commits count, and the number
of the last one is here, too. `boot` shows whether the machine was restarted.

One loss goes unnoticed: a synced commit from the last seconds before a power loss (before the
kernel wrote this page) that is *also* damaged on the disk.
"""

from __future__ import annotations

import os
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import msgspec

from mrmesos.jobtracker.storage.directory_sync import sync_directory
from mrmesos.jobtracker.storage.journal_errors import JournalDamaged, JournalError

FILE = "journal.commits"
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_LAYOUT = struct.Struct("<8sQQ36sI")
_MAGIC = b"mrJTcom1"


class Acknowledged(msgspec.Struct, frozen=True):
    """The last commit, the last synced commit, and the boot id of the machine that wrote them."""

    last: int
    synced: int
    boot: str

    def least(self, boot: str) -> int:
        """The commit that the journal must have at least, if the machine's boot id is `boot`."""
        return self.last if self.boot and self.boot == boot else self.synced


def boot_id() -> str:
    """The id of the machine's present boot. Empty if the kernel does not give one."""
    with suppress(OSError):
        return _BOOT.read_text(encoding="ascii").strip()[:36]
    return ""


class CommitNumber:
    """The file in `directory`. Only one thread may use it, and must close it at the end."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE
        self.boot = boot_id()
        self._fd: int | None = None

    def read(self) -> Acknowledged | None:
        """The file's content; None if it does not exist. Raises JournalDamaged, JournalError."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as problem:
            raise JournalError(f"{self.path}: {problem.strerror or problem}") from problem
        if len(content) == _LAYOUT.size:
            magic, last, synced, boot, check = _LAYOUT.unpack(content)
            if magic == _MAGIC and check == zlib.crc32(content[:-4]):
                return Acknowledged(last, synced, boot.rstrip(b"\0").decode("ascii"))
        raise JournalDamaged(f"{self.path}, which holds the number of the last commit, is damaged")

    def write(self, last: int, synced: int) -> None:
        """Note that commit `last` was made. Raises JournalError. Then it may be tried again."""
        text = _LAYOUT.pack(_MAGIC, last, synced, self.boot.encode("ascii"), 0)[:-4]
        try:
            if self._fd is None:
                self._fd = self._open()
            os.pwrite(self._fd, text + zlib.crc32(text).to_bytes(4, "little"), 0)
        except OSError as problem:
            raise JournalError(
                f"{self.path} cannot be written: {problem.strerror or problem}"
            ) from problem

    def sync(self) -> None:
        """Sync the file and its directory to the disk. Raises JournalError."""
        try:
            if self._fd is not None:
                os.fsync(self._fd)
            sync_directory(self.path.parent)
        except OSError as problem:
            raise JournalError(f"{self.path}: {problem.strerror or problem}") from problem

    def close(self) -> None:
        """Close the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _open(self) -> int:
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.ftruncate(fd, _LAYOUT.size)
        return fd
