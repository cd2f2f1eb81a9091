"""Files of jobs on a TaskTracker, by the hash of their bytes: fetched once for all jobs (Hadoop's
distributed cache). Read-only, and bounded: those of no job that is here go when room is needed.
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
from mrmesos.wire.job import FileKind, JobFile

logger = logging.getLogger(__name__)

Download = Callable[[JobFile, Path], Awaitable[None]]
"""Brings the bytes of a file, checked against its hash, to a path."""


class CacheFull(Exception):
    """Files of jobs that are here leave no room; the message names the setting."""


def is_unpacked(file: JobFile) -> bool:
    """Whether tasks see the directory that was in it, and not the file."""
    if file.kind is FileKind.PYTHON:
        return not file.name.endswith(".py")
    return file.kind is FileKind.ARCHIVE


@dataclass(slots=True)
class _Entry:
    """A file, or the directory that an archive became."""

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
        self._entries: OrderedDict[tuple[str, bool], _Entry] = OrderedDict()  # least used first
        self._numbers = count()
        self.used_bytes = 0

    async def hold(self, job_id: str, file: JobFile) -> Path:
        """Where the file is, until the job is released.

        Raises CacheFull, BadArchive, OSError and what the download raises.
        """
        key = (file.sha256, is_unpacked(file))
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(self._path(*key))
        self._entries.move_to_end(key)
        entry.users.add(job_id)  # from now on: what is being waited for does not go
        async with entry.lock:
            if not entry.here:
                entry.size = await self._bring(file, entry.path, unpacked=key[1])
                entry.here = True
        return entry.path

    def _path(self, sha256: str, unpacked: bool) -> Path:
        return self._root / (f"{sha256}.unpacked" if unpacked else sha256)

    async def _bring(self, file: JobFile, path: Path, *, unpacked: bool) -> int:
        """Fetch the file, and unpack it; the bytes that it takes then."""
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
                await asyncio.to_thread(delete, fresh)  # of a try that failed
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
        """Room for so many bytes, where there is or can be any. Raises CacheFull."""
        for key, entry in list(self._entries.items()):
            if self.used_bytes + wanted <= self._max_bytes:
                break
            # Others may have made room while this waited for a disk.
            if entry.here and not entry.users and self._entries.get(key) is entry:
                del self._entries[key]
                self.used_bytes -= entry.size
                # Out of the way at once: it may be wanted again before it is deleted.
                gone = entry.path.rename(f"{entry.path}.gone{next(self._numbers)}")
                await asyncio.to_thread(delete, gone)
        if self.used_bytes + wanted > self._max_bytes:
            raise CacheFull(
                f"no room for the {wanted:,} bytes of {name}: files of jobs take "
                f"{self.used_bytes:,} of {self._max_bytes:,} ({TASKTRACKER_CACHE_MB.name})"
            )
        self.used_bytes += wanted
        return wanted

    def release(self, job_id: str) -> None:
        """The job needs its files no more."""
        for key, entry in list(self._entries.items()):
            entry.users.discard(job_id)
            if not entry.users and not entry.here and not entry.lock.locked():
                del self._entries[key]  # it never came

    def remove_all(self) -> None:
        """Delete everything. May be called in another thread once nothing is held any more."""
        self._entries.clear()
        self.used_bytes = 0
        delete(self._root)


def _seal(part: Path, path: Path) -> None:
    part.chmod(0o444)
    part.rename(path)


def delete(path: Path) -> None:
    """Delete a file or a tree. What cannot be deleted is logged; Mesos deletes sandboxes later."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as problem:
        logger.warning("cannot delete: %s", problem)
