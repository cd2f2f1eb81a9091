"""Read-only links: addresses that anybody may use until they expire. They show pages, and change
nothing.

A link says when it expires and which job it shows. Without a job, it shows all pages. It is signed
with a key that is made from the JobTracker's token. So we store nothing, a link survives a restart,
and a new token ends all links. Pure.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import NamedTuple

from mrmesos.wire.ids import is_job_id

LINK_SECONDS_MAX = 30 * 86_400.0
_PURPOSE = "mrmesos read-only link"


class Scope(NamedTuple):
    """The rights of a session. `job`: only pages of this job; empty: all pages."""

    read_only: bool = False
    job: str = ""

    def shows(self, path: str) -> bool:
        """Whether the session may see the page at a path, which begins with `/ui/`."""
        if not self.job:
            return True
        job, attempt = f"/ui/jobs/{self.job}", f"/ui/attempts/attempt{self.job[3:]}_"
        return path == job or path.startswith((f"{job}/", attempt))


FULL = Scope()


def make_link(key: str, until: float, job: str) -> str:
    """The text of a link that expires at `until` (Unix seconds)."""
    text = f"{int(until)}.{job or '-'}"
    return f"{text}.{_mac(key, text)}"


def read_link(key: str, link: str, now: float) -> tuple[float, Scope] | None:
    """When a link expires, and which pages it shows. None if it is not ours, or has expired."""
    text, _, mac = link.rpartition(".")
    if not key or not hmac.compare_digest(mac.encode("utf-8", "replace"), _mac(key, text).encode()):
        return None
    until, _, job = text.partition(".")
    if not (until.isascii() and until.isdigit() and len(until) < 16) or int(until) <= now:
        return None
    if job != "-" and not is_job_id(job):
        return None
    return float(until), Scope(read_only=True, job="" if job == "-" else job)


def _mac(key: str, text: str) -> str:
    message = f"{_PURPOSE}\n{text}".encode("utf-8", "replace")
    return hmac.new(key.encode(), message, hashlib.sha256).hexdigest()
