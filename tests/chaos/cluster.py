"""The processes of a chaos run: a minimesos of four agents, a JobTracker, clients."""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from mrmesos.client.api_client import JobTrackerClient
from mrmesos.testing.processes import processes_of, send_signal
from tests.chaos.jobs import WORKLOADS, write_inputs

AGENTS, RESOURCES = 4, "cpus:1;mem:2048;disk:1000"
ROLES = {"mesos": ("-m", "tests.chaos.mesos_process")}
TREE = Path(__file__).parents[2]
PATIENCE_SECONDS = 180.0
"""Time limit for all waits on a busy machine, when no fault is active."""
SETTINGS = {
    "mesos.checkpoint": "true",
    "tasktracker.cpus": "0.05",
    "tasktracker.expiry.seconds": "20",
    "reduce.shuffle.read.timeout": "5",
    "jobtracker.retired.jobs.max": "1000",
}

Parts = dict[str, bytes]


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Poll until the condition is true. Raises AssertionError after PATIENCE_SECONDS."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, f"timed out waiting for {what}"
        time.sleep(0.1)


class Cluster:
    """All processes start in `directory`, and their environment names it."""

    def __init__(
        self, directory: Path, rng: random.Random, zk: str = "", agents: int = AGENTS
    ) -> None:
        """With `zk` (zk://…), ZooKeeper elects the masters, and they may fail over.

        `meanwhile` is called while this waits for an answer. A caller that stops processes lets
        them continue there, because the process that must answer may be stopped.
        """
        self.directory, self.rng, self.agents = directory, rng, agents
        self.lives = 0
        self.url = ""
        self.meanwhile: Callable[[], None] = lambda: None
        self.jobtracker: subprocess.Popen[str] | None = None
        self._reports: dict[str, Path] = {}
        for name in ("tmp", "out", "reports"):
            (directory / name).mkdir()
        write_inputs(directory)
        unwanted = {"MRMESOS_JOBTRACKER_URL", "MRMESOS_TOKEN"}
        self.environment = {
            **{name: text for name, text in os.environ.items() if name not in unwanted},
            "TMPDIR": str(directory / "tmp"),
            "MRMESOS_TOKEN_FILE": str(directory / "token"),
            "PYTHONPATH": str(TREE),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        work_dir = str(directory / "mesos")
        arguments = ("-m", "tests.chaos.mesos_process", work_dir, str(agents), RESOURCES, zk)
        self.mesos = self.start(*arguments, stdin=subprocess.PIPE, log="mesos.log")
        url = self.line_of(self.mesos, "mesos.log")
        self.master, self.elected = zk or url, bool(zk)

    def start(self, *arguments: str, log: str, stdin: int = subprocess.DEVNULL) -> _Process:
        """Start a Python process whose standard error goes to a log."""
        with (self.directory / log).open("a") as file:
            return subprocess.Popen(
                [sys.executable, *arguments],
                cwd=self.directory,
                env=self.environment,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )

    def line_of(self, process: _Process, log: str) -> str:
        """Read the next line of its output. Raises AssertionError if it ends or is silent."""
        line = self.line_or_end(process, log)
        assert line, f"it ended: {self.tail(log)}"
        return line

    def line_or_end(self, process: _Process, log: str) -> str:
        """Read the next line of its output; empty if it has ended.

        Each line is read before the next one is requested, so no line waits in a buffer.
        """
        assert process.stdout is not None
        end = time.monotonic() + PATIENCE_SECONDS
        while not select.select([process.stdout], [], [], 0.05)[0]:
            assert time.monotonic() < end, f"it printed nothing: {self.tail(log)}"
            self.meanwhile()
        return process.stdout.readline().strip()

    def tail(self, log: str) -> str:
        """The end of a log."""
        return (self.directory / log).read_text()[-4000:]

    # --- The JobTracker

    def start_jobtracker(self) -> None:
        """Start a JobTracker on the journal and wait until it listens."""
        assert self.try_jobtracker(), f"it ended: {self.log_tail()}"

    def try_jobtracker(self) -> bool:
        """Start a JobTracker. Returns False if it ended instead of listening."""
        flags = [word for name, value in SETTINGS.items() for word in ("-D", f"{name}={value}")]
        command = ("-m", "mrmesos", "jobtracker", "--master", self.master, "--port", "0")
        self.jobtracker = self.start(*command, "--state-dir", "state", *flags, log="jobtracker.log")
        self.lives += 1
        line = self.line_or_end(self.jobtracker, "jobtracker.log")
        if not line:
            self.jobtracker.communicate()
            return False
        url = line.split()[-1]
        assert self.url in ("", url)
        self.url = url
        return True

    def end_jobtracker(self) -> int:
        """`kill -9`; returns its process id."""
        assert self.jobtracker is not None
        self.jobtracker.send_signal(signal.SIGKILL)
        self.jobtracker.communicate()
        return self.jobtracker.pid

    def kill_jobtracker(self) -> str:
        """`kill -9`, and start the next one at once."""
        pid = self.end_jobtracker()
        self.start_jobtracker()
        assert self.jobtracker is not None
        return f"jobtracker {pid}, followed by {self.jobtracker.pid}"

    def client(self) -> JobTrackerClient:
        """A client of the JobTracker with one short try for each call."""
        token = (self.directory / "token").read_text().strip()
        return JobTrackerClient(self.url, token=token, timeout=2.0, retry_seconds=0.0)

    def log_tail(self) -> str:
        """The end of the JobTracker's log."""
        return self.tail("jobtracker.log")

    @property
    def port(self) -> int:
        """The JobTracker's port, which is the same after each restart."""
        return int(self.url.rpartition(":")[2])

    # --- Agents

    def agent(self, verb: str) -> str:
        """Lose an agent, restart it, or cut it off from the master."""
        number = self.rng.randrange(self.agents)
        line = f"{verb} {number}"
        if verb != "lose":
            line += f" {self.rng.choice([1.0, 4.0, 25.0]):.1f}"
        return line if self.ask(line) == "done" else ""

    def fail_over(self) -> str:
        """Let another master take over."""
        return "of masters" if self.ask("failover") == "done" else ""

    def ask(self, line: str) -> str:
        """Send minimesos a control line (see `mesos_process`) and return its answer."""
        assert self.mesos.stdin is not None
        self.mesos.stdin.write(f"{line}\n")
        self.mesos.stdin.flush()
        return self.line_of(self.mesos, "mesos.log")

    # --- Jobs

    def submit(self, name: str, output: str) -> _Process:
        """`mrmesos submit`, which follows the job to its end."""
        work = WORKLOADS[name]
        inputs = [word for uri in work.inputs for word in ("--input", uri)]
        script = f"{TREE / 'tests/chaos/jobs.py'}:{work.job}"
        files = ("--output", f"out/{output}", "--report", f"reports/{output}.json")
        command = ("-m", "mrmesos", "submit", script, *inputs, *files, "--jobtracker", self.url)
        return self.start(*command, log=f"reports/{output}.log")

    def parts(self, output: str) -> Parts:
        """Every file of an output by its name."""
        place = self.directory / "out" / output
        files = sorted(path for path in place.rglob("*") if path.is_file())
        return {str(path.relative_to(place)): path.read_bytes() for path in files}

    def attempts(self, output: str) -> list[str]:
        """The end states of its attempts."""
        report = json.loads((self.directory / "reports" / f"{output}.json").read_text())
        return [row["state"] for row in report["attempts"]]

    # --- The end

    def resources_held(self) -> list[str]:
        """Agents that are missing or in use, as the master reports."""
        try:
            with urllib.request.urlopen(f"{self.ask('leader')}/state", timeout=30) as answer:
                state = json.load(answer)
        except urllib.error.URLError as problem:
            return [f"no master leads: {problem}"]
        held = [
            f"{agent['id']}: {name} {amount}"
            for agent in state["slaves"]
            for name, amount in agent["used_resources"].items()
            if isinstance(amount, int | float) and amount
        ]
        running = [task["id"] for framework in state["frameworks"] for task in framework["tasks"]]
        missing = [f"{len(state['slaves'])} agents"] * (len(state["slaves"]) != self.agents)
        return held + running + missing

    def stop(self) -> None:
        """End both as an operator does. Raises AssertionError if anything is left of them."""
        assert self.jobtracker is not None
        self.jobtracker.send_signal(signal.SIGTERM)
        self.jobtracker.communicate(timeout=PATIENCE_SECONDS)
        assert self.jobtracker.returncode == 0, self.log_tail()
        self.mesos.communicate(timeout=PATIENCE_SECONDS)  # closes its standard input
        assert self.mesos.returncode == 0, self.tail("mesos.log")
        wait_until(lambda: not processes_of(self.directory), "all processes to end")
        left = [str(path) for path in (self.directory / "tmp").rglob("*")]
        assert not left, f"temporary files are left: {left[:20]}"
        assert not (self.directory / "mesos").exists(), "sandboxes are left"
        unfinished = list((self.directory / "out").rglob("_temporary"))
        assert not unfinished, f"unfinished output is left: {unfinished}"

    def kill_all(self) -> None:
        """After a failed run, kill all remaining processes, each by its pidfd."""
        for process in processes_of(self.directory, ROLES):
            send_signal(process, self.directory, signal.SIGKILL)
        for child in (self.jobtracker, self.mesos):
            if child is not None:
                child.communicate()


_Process = subprocess.Popen[str]
