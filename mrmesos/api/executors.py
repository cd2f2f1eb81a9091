"""Public names for free tasks. `mrmesos.local` defines them. `mrmesos.api` has TaskExecutor,
too.
"""

from mrmesos.local.executor.errors import ExecutorLost, RemoteTraceback, TaskFailed
from mrmesos.local.executor.executor import TaskExecutor

__all__ = ["ExecutorLost", "RemoteTraceback", "TaskExecutor", "TaskFailed"]
