"""`mrmesos job logs` shows logs of a service's jobs after their end: from the sandboxes."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys

import pytest

from tests.cli.test_end_to_end import DEADLINE, House, house, wait_until

__all__ = ["house"]

pytestmark = pytest.mark.slow

TALKATIVE = """
import sys
from mrmesos.api import Job, Mapper

class Talk(Mapper):
    def map(self, key, line):
        print(f"seen {line}")
        sys.stdout.buffer.write(b"\\xff" * 100_000 + b"\\n")
        sys.stdout.flush()

class Talks(Job):
    mapper = Talk
"""


def test_until_mesos_removes_them(house: House) -> None:
    (house.directory / "talk.py").write_text(TALKATIVE)
    house.start("minimesos", "--port", "0", "--announce", "master")
    wait_until((house.directory / "master").exists, "minimesos")
    master = (house.directory / "master").read_text().strip()
    quick = ("-D", "tasktracker.idle.seconds=0")
    service = house.start("jobtracker", "--master", master, "--port", "0", *quick)
    assert service.stdout is not None
    asked = ("--jobtracker", service.stdout.readline().split()[-1])
    files = ("--input", "in.txt", "--output", "out")
    once = ("--detach", "-D", "job.maps=1")
    job = house.start("submit", "talk.py", *files, *asked, *once)
    job_id = job.communicate(timeout=DEADLINE)[0].strip()
    house.start("job", "wait", job_id, *asked).communicate(timeout=DEADLINE)
    wait_until(
        lambda: not any("mrmesos.tasktracker" in line for line in house.processes()),
        "the TaskTracker to end",
    )

    def logs(*more: str) -> subprocess.CompletedProcess[bytes]:
        command = (sys.executable, "-m", "mrmesos", "job", "logs", job_id, *asked, *more)
        return subprocess.run(
            command, cwd=house.directory, env=house.environment, capture_output=True, check=False
        )

    (sandbox,) = (house.directory / "tmp").glob("minimesos*/**/runs/latest")
    (log,) = sandbox.glob("userlogs/*/*/stdout")
    printed = log.read_bytes()
    assert printed.count(b"\xff") >= 100_000
    for more in ((), ("-f",)):
        shown = logs("--stream", "stdout", *more)
        assert shown.returncode == 0, shown.stderr
        assert shown.stdout.partition(b" <==\n")[2] == printed
        assert shown.stderr == b""
    assert b"stdout" not in logs("--stream", "stderr").stdout, "nothing was printed there"
    shutil.rmtree(sandbox.resolve())
    shown = logs()
    assert b"last lines of both streams" in shown.stdout
    assert shown.stdout.endswith(b"\n")
    (line,) = shown.stderr.decode().splitlines()
    assert "only its last lines: Mesos has removed the sandbox of tracker_" in line
    service.send_signal(signal.SIGTERM)
    service.communicate(timeout=DEADLINE)
