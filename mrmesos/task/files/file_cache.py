"""A TaskTracker's cache of job files, by the hash of their bytes (Hadoop's distributed cache).

Each file is fetched once for all jobs, and is read-only. The cache is bounded: when it needs room,
it deletes files that no job on this TaskTracker uses.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from mrmesos.conf import TASKTRACKER_CACHE_MB
from mrmesos.task.files.archives import unpack, unpacked_bytes
from mrmesos.task.files.job_files import is_unpacked
from mrmesos.wire.job import JobFile

logger = logging.getLogger(__name__)

Download = Callable[[JobFile, Path], Awaitable[None]]
"""Downloads a file to a path, and checks its bytes against its hash."""


class CacheFull(Exception):
    """Files in use leave no space for another one. The message names the setting."""


@dataclass(slots=True)
class _Entry:
    """A cached file, or the directory of an unpacked archive."""

    path: Path
    here: bool = False
    size: int = 0
    users: set[str] = field(default_factory=set)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class FileCache:
    """The files of one TaskTracker, below `root`. Used in the event loop's thread only."""

    def __init__(self, root: Path, download: Download, *, max_bytes: int) -> None:
        self._root = root
        self._download = download
        self._max_bytes = max_bytes
        self._entries: OrderedDict[tuple[str, bool], _Entry] = OrderedDict()  # longest unused first
        self._numbers = count()
        self.used_bytes = 0

    async def hold(self, job_id: str, file: JobFile) -> Path:
        """The file's path. The file stays there until the job is released.

        Raises CacheFull, BadArchive, OSError, and every error of the download.
        """
        key = (file.sha256, is_unpacked(file))
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(self._path(*key))
        self._entries.move_to_end(key)
        entry.users.add(job_id)  # before the wait, so that nobody deletes the file meanwhile
        async with entry.lock:
            if not entry.here:
                entry.size = await self._bring(file, entry.path, unpacked=key[1])
                entry.here = True
        return entry.path

    def _path(self, sha256: str, unpacked: bool) -> Path:
        return self._root / (f"{sha256}.unpacked" if unpacked else sha256)

    async def _bring(self, file: JobFile, path: Path, *, unpacked: bool) -> int:
        """Fetch the file, and unpack an archive. Returns the bytes that it takes on the disk."""
        part = Path(f"{path}.part")
        taken = 0
        try:
            taken = await self._take(file.size, file.name)
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            await self._download(file, part)
            if not unpacked:
                await asyncio.to_thread(_seal, part, path)
                kept = taken
            else:
                kept = await self._take(await asyncio.to_thread(unpacked_bytes, part), file.name)
                taken += kept
                fresh = Path(f"{path}.fresh")
                await asyncio.to_thread(delete, fresh)  # left by a try that failed
                await asyncio.to_thread(unpack, part, fresh)
                await asyncio.to_thread(fresh.rename, path)
        except BaseException:
            self.used_bytes -= taken
            raise
        finally:
            await asyncio.to_thread(delete, part)
        self.used_bytes -= taken - kept
        return kept

    async def _take(self, wanted: int, name: str) -> int:
        """Reserve `wanted` bytes, and delete unused files if needed. Raises CacheFull."""
        for key, entry in list(self._entries.items()):
            if self.used_bytes + wanted <= self._max_bytes:
                break
            # Another call may have removed this entry while this one waited for the disk.
            if entry.here and not entry.users and self._entries.get(key) is entry:
                del self._entries[key]
                self.used_bytes -= entry.size
                # Rename first: a job may need this path again before the deletion ends.
                gone = entry.path.rename(f"{entry.path}.gone{next(self._numbers)}")
                await asyncio.to_thread(delete, gone)
        if self.used_bytes + wanted > self._max_bytes:
            raise CacheFull(
                f"no space for the {wanted:,} bytes of {name}: files of jobs take "
                f"{self.used_bytes:,} of {self._max_bytes:,} ({TASKTRACKER_CACHE_MB.name})"
            )
        self.used_bytes += wanted
        return wanted

    def release(self, job_id: str) -> None:
        """The job no longer needs its files."""
        for key, entry in list(self._entries.items()):
            entry.users.discard(job_id)
            if not entry.users and not entry.here and not entry.lock.locked():
                del self._entries[key]  # its download failed

    def remove_all(self) -> None:
        """Delete everything. Any thread may call it once no job holds a file."""
        self._entries.clear()
        self.used_bytes = 0
        delete(self._root)


def _seal(part: Path, path: Path) -> None:
    part.chmod(0o444)
    part.rename(path)


def delete(path: Path) -> None:
    """Delete a file or a tree. Logs failures; Mesos deletes the whole sandbox later."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as problem:
        logger.warning("cannot delete: %s", problem)
