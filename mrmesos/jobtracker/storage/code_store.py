"""Pickled jobs and their files, by the hash of their bytes.

Comes in: clients' uploads. Goes out: paths of files, which TaskTrackers fetch. Thread: any.

Each upload is one file on disk, and passes through memory only in pieces. The store is bounded. If
it is full, files that no live job uses are dropped, the least recently used first. Files of live
jobs are never dropped.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mrmesos.io.fs.scratch import Scratch
from mrmesos.jobtracker.storage.directory_sync import sync_directory
from mrmesos.wire.ids import is_sha256

MAX_CODE_BYTES = 1 << 30
"""Most bytes of one upload. `job.cache.limit.max-single-resource-mb` overrides it."""
MAX_STORE_BYTES = 4 << 30
"""Most bytes of all uploads together. `jobtracker.cache.mb` overrides it."""

_PART = ".part"


class CodeRejected(ValueError):
    """There are too many bytes, or their hash differs from the announced one."""


class CodeStoreFull(Exception):
    """Live jobs and other uploads leave no room for this one."""


class CodeStore:
    """Maps SHA-256 (hex) to a file."""

    def __init__(
        self,
        directory: Path | None = None,
        *,
        max_code_bytes: int = MAX_CODE_BYTES,
        max_store_bytes: int = MAX_STORE_BYTES,
    ) -> None:
        """Keep files in `directory`, including those that are there already, and sync new ones.

        Without a directory, the store makes its own one, and `close()` removes it.
        """
        self._max_code, self._max_store = max_code_bytes, max_store_bytes
        self._lock = threading.Lock()
        self._sizes: OrderedDict[str, int] = OrderedDict()  # least recently used first
        self._bytes = 0  # of kept files and of uploads under way
        self._used_by: dict[str, tuple[str, ...]] = {}  # job id -> hashes
        self._uses: dict[str, int] = {}  # hash -> live jobs
        self._durable = directory is not None
        self._own: Scratch | None = None
        if directory is None:
            self._own = Scratch("mrmesos-code-")
            directory = Path(self._own.name)
        self._directory = directory
        self._take_over()

    def _take_over(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = []
        for path in self._directory.iterdir():
            if is_sha256(path.name):
                status = path.stat()
                found.append((status.st_mtime, path.name, status.st_size))
            elif path.name.endswith(_PART):
                path.unlink()
        for _, name, size in sorted(found):
            self._sizes[name] = size
            self._bytes += size

    def close(self) -> None:
        """Remove the directory if the store made it."""
        if self._own is not None:
            self._own.cleanup()

    @contextmanager
    def receive(self, size: int | None = None) -> Iterator[CodeUpload]:
        """Receive an upload. It is dropped unless `keep` was called by the end of the `with`.

        `size` is the announced length. Raises CodeRejected, CodeStoreFull, OSError.
        """
        if size is not None and size > self._max_code:
            raise CodeRejected(f"{size} bytes are over the limit of {self._max_code}")
        room = self._max_code if size is None else size
        with self._lock:
            self._make_room(room)
            self._bytes += room
        try:
            upload = CodeUpload(self._directory, room, durable=self._durable)
            try:
                yield upload
                if upload.kept:
                    self._keep(upload)
            finally:
                upload.close()
        finally:
            with self._lock:
                self._bytes -= room

    def _keep(self, upload: CodeUpload) -> None:
        with self._lock:
            upload.known = upload.kept in self._sizes
            if not upload.known:
                upload.path.rename(self._directory / upload.kept)
                self._sizes[upload.kept] = upload.size
                self._bytes += upload.size
            self._sizes.move_to_end(upload.kept)
        if self._durable and not upload.known:
            sync_directory(self._directory)

    def put(self, sha256: str, code: bytes) -> bool:
        """Keep `code`. Returns False if it was here already. Raises CodeRejected, CodeStoreFull."""
        with self.receive(len(code)) as upload:
            upload.write(code)
            upload.keep(sha256)
        return not upload.known

    def path(self, sha256: str) -> Path | None:
        """The file, or None if it is not (or no longer) here."""
        with self._lock:
            if sha256 not in self._sizes:
                return None
            self._sizes.move_to_end(sha256)
            return self._directory / sha256

    def damaged(self, sha256: str) -> str:
        """The damage of a file, as a text. Empty if the file is fine.

        A file may be gone, unreadable, or have another hash. This reads the whole file.
        """
        path = self.path(sha256)
        if path is None:
            return "which is not there"
        try:
            with path.open("rb") as file:
                real = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as problem:
            return f"which cannot be read: {problem.strerror or problem}"
        return "" if real == sha256 else f"whose bytes are damaged (their SHA-256 is {real})"

    def pin(self, job_id: str, wanted: Iterable[str]) -> str:
        """Keep these files while the job lives. If one is missing, return its hash instead."""
        hashes = tuple(dict.fromkeys(wanted))
        with self._lock:
            for sha256 in hashes:
                if sha256 not in self._sizes:
                    return sha256
            if job_id not in self._used_by:
                self._used_by[job_id] = hashes
                for sha256 in hashes:
                    self._uses[sha256] = self._uses.get(sha256, 0) + 1
            return ""

    def unpin(self, job_id: str) -> None:
        """The job has ended, so it no longer needs its files."""
        with self._lock:
            for sha256 in self._used_by.pop(job_id, ()):
                self._uses[sha256] -= 1
                if not self._uses[sha256]:
                    del self._uses[sha256]

    @property
    def stored_bytes(self) -> int:
        """The bytes of kept files and of uploads under way."""
        return self._bytes

    def _make_room(self, wanted: int) -> None:
        unused = [name for name in self._sizes if name not in self._uses]
        free = self._max_store - self._bytes
        if free + sum(self._sizes[name] for name in unused) < wanted:
            raise CodeStoreFull(
                f"jobs in progress and uploads hold {self._bytes} of {self._max_store} bytes for "
                "code and files; try again later"
            )
        for name in unused:
            if free >= wanted:
                return
            (self._directory / name).unlink(missing_ok=True)
            dropped = self._sizes.pop(name)
            self._bytes -= dropped
            free += dropped


class CodeUpload:
    """An upload under way. Its bytes are counted, hashed and written to a temporary file. Only one
    thread may use it at a time.
    """

    def __init__(self, directory: Path, room: int, *, durable: bool) -> None:
        fd, name = tempfile.mkstemp(suffix=_PART, dir=directory)
        self.path = Path(name)
        self.size = 0
        self.kept = ""
        """The hash under which to keep it. Empty: it is dropped."""
        self.known = False
        """Set by the store if it had this file already."""
        self._file = os.fdopen(fd, "wb")
        self._room, self._durable = room, durable
        self._hash = hashlib.sha256()

    def write(self, part: bytes) -> None:
        """Add the next bytes. Raises CodeRejected if there are too many, or OSError."""
        self.size += len(part)
        if self.size > self._room:
            raise CodeRejected(f"more bytes came than the {self._room} that are reserved for it")
        self._hash.update(part)
        self._file.write(part)

    def keep(self, sha256: str) -> None:
        """The upload is complete. Raises CodeRejected if its bytes have another hash."""
        if self._hash.hexdigest() != sha256:
            raise CodeRejected(f"the bytes sent do not have the SHA-256 {sha256}")
        self._file.flush()
        if self._durable:
            os.fsync(self._file.fileno())
        self.kept = sha256

    def close(self) -> None:
        """Remove the temporary file."""
        self._file.close()
        self.path.unlink(missing_ok=True)
