"""Public names for sessions, defined in `mrmesos.local`. `mrmesos.api.Session` is the same one."""

from mrmesos.local.result import JobFailed, JobKilled, Result
from mrmesos.local.session import Session
from mrmesos.local.session_process import SessionLost

__all__ = ["JobFailed", "JobKilled", "Result", "Session", "SessionLost"]
