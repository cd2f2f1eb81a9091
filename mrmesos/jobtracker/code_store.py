"""Pickled jobs by the hash of their bytes, as clients upload them and TaskTrackers fetch them.

Bounded: what no live job uses goes first, least recently used before others; what live jobs use
is never dropped. Safe to use from several threads.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

MAX_CODE_BYTES = 64 << 20
"""Most bytes of one pickled job."""
MAX_STORE_BYTES = 512 << 20
"""Most bytes of all of them."""


class CodeRejected(ValueError):
    """The bytes are too many, or not those of the hash they were sent for."""


class CodeStoreFull(Exception):
    """Live jobs use so much code that no more can be kept."""


class CodeStore:
    """Maps SHA-256 (hex) to bytes."""

    def __init__(
        self, *, max_code_bytes: int = MAX_CODE_BYTES, max_store_bytes: int = MAX_STORE_BYTES
    ) -> None:
        self._max_code, self._max_store = max_code_bytes, max_store_bytes
        self._lock = threading.Lock()
        self._codes: OrderedDict[str, bytes] = OrderedDict()  # least recently used first
        self._bytes = 0
        self._used_by: dict[str, str] = {}  # job id -> hash
        self._uses: dict[str, int] = {}  # hash -> live jobs

    def put(self, sha256: str, code: bytes) -> bool:
        """Keep `code`; False where it was there already. Raises CodeRejected, CodeStoreFull."""
        if len(code) > self._max_code:
            raise CodeRejected(f"the pickled job has {len(code)} bytes, over {self._max_code}")
        if hashlib.sha256(code).hexdigest() != sha256:
            raise CodeRejected(f"the bytes sent are not those of {sha256}")
        with self._lock:
            if sha256 in self._codes:
                self._codes.move_to_end(sha256)
                return False
            self._make_room(len(code))
            self._codes[sha256] = code
            self._bytes += len(code)
            return True

    def get(self, sha256: str) -> bytes | None:
        """The bytes, or None where they are not (or no longer) here."""
        with self._lock:
            code = self._codes.get(sha256)
            if code is not None:
                self._codes.move_to_end(sha256)
            return code

    def pin(self, job_id: str, sha256: str) -> bool:
        """Keep the code for as long as the job lives; False where it is not here."""
        with self._lock:
            if sha256 not in self._codes:
                return False
            if job_id not in self._used_by:
                self._used_by[job_id] = sha256
                self._uses[sha256] = self._uses.get(sha256, 0) + 1
            return True

    def unpin(self, job_id: str) -> str:
        """The job has ended; the hash of its code if no other job uses that, else nothing."""
        with self._lock:
            sha256 = self._used_by.pop(job_id, "")
            if not sha256:
                return ""
            self._uses[sha256] -= 1
            if self._uses[sha256]:
                return ""
            del self._uses[sha256]
            return sha256

    @property
    def stored_bytes(self) -> int:
        """Bytes held now."""
        return self._bytes

    def _make_room(self, wanted: int) -> None:
        unused = [name for name in self._codes if name not in self._uses]
        free = self._max_store - self._bytes
        if free + sum(len(self._codes[name]) for name in unused) < wanted:
            raise CodeStoreFull(f"live jobs hold {self._bytes} bytes of code; try again later")
        for name in unused:
            if free >= wanted:
                return
            dropped = len(self._codes.pop(name))
            self._bytes -= dropped
            free += dropped
