"""Public names for sessions. `mrmesos.local` defines them. `mrmesos.api.Session` is the same
class.
"""

from mrmesos.local.result import JobFailed, JobKilled, Result
from mrmesos.local.session import Session
from mrmesos.local.session_process import SessionLost

__all__ = ["JobFailed", "JobKilled", "Result", "Session", "SessionLost"]
