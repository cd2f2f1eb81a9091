"""Nothing waits by the wall clock: a host's clock may be set, and then it jumps."""

from __future__ import annotations

import ast
from pathlib import Path

import mrmesos

ROOT = Path(mrmesos.__file__).parent

# READ_ONCE reads the wall clock once, and then counts seconds by a clock that never jumps. NAMES
# only names something by it, or compares the clocks of two hosts.
READ_ONCE = {
    "jobtracker/service.py",
    "minimesos/http/server.py",
    "tasktracker/shell.py",
    "access/signing.py",
}
NAMES = {
    "jobtracker/storage/journal_session.py",  # the stamp of a JobTracker's life
    "mesos/executor_driver.py",  # the time of a status update, for people
    "cli/job.py",  # how long a job has run, for people
    "wire/trace.py",  # the times of spans, for people
    "jobtracker/pages/app.py",  # how long ago something was, for people
    "jobtracker/pages/content.py",  # the same
    "jobtracker/pages/for_clients.py",  # the same
    "jobtracker/pages/gate.py",  # until when a read-only link holds, also after a restart
    "jobtracker/storage/history.py",  # how old an ended job is, in days
    "jobtracker/storage/history_files.py",  # the same
    "client/doctor/cluster.py",  # how far another host's clock is from ours
    "client/doctor/probe_job.py",  # the same
    "minimesos/model/records.py",  # since when a framework or agent is known, for people
}
FILES_OF_OTHERS = {"testing/faults.py", "io/fs/scratch.py"}  # ages of files


def reads_the_wall(tree: ast.AST) -> bool:
    return any(
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr)
        in {("time", "time"), ("datetime", "now"), ("dt", "now"), ("datetime", "utcnow")}
        for node in ast.walk(tree)
    )


def test_only_these_read_the_clock_on_the_wall() -> None:
    found = {
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        if reads_the_wall(ast.parse(path.read_text()))
    }
    assert found <= READ_ONCE | NAMES | FILES_OF_OTHERS
