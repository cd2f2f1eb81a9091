"""Runs one command and measures the cost of its whole process tree.

`getrusage(RUSAGE_CHILDREN)` counts only descendants that every parent up to us has waited for. It
misses a daemon that forked twice. So the meter runs in its own process as a *subreaper* (prctl(2),
PR_SET_CHILD_SUBREAPER): orphaned descendants become its children. It waits until it has no children
left, and kills those that stay too long. Killed processes count too.

CPU time is lost if a parent ignores SIGCHLD. So a sampler of /proc also measures a lower bound, and
a measurement with lost time says so.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType

from benchmarks.processes import descendants, machine_busy

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
SAMPLE_SECONDS = 0.1
LINGER_SECONDS = 20.0
"""How long descendants may outlive the command before they are killed."""
CPU_SLACK_SECONDS = 0.3
"""/proc counts in ticks of 10 ms per process. Less than this is no evidence of lost time."""


@dataclass(slots=True)
class Cost:
    """The cost of a command, in seconds and bytes. `cpu` is user + system of the whole tree.

    `peak_rss` is the exact peak of the largest process. `tree_rss` is the largest sum over the tree
    that the sampler saw; it counts shared pages once per process. `lingered` is how long
    descendants outlived the command, and `killed` names those that were killed. `cpu_sampled` is
    the sampler's lower bound; `cpu_lost` says that it exceeds the accounted time. `others` is the
    CPU time (s) of all other processes on the host; a large value means noise.
    """

    exit_code: int = 0
    timed_out: bool = False
    wall: float = 0.0
    user: float = 0.0
    system: float = 0.0
    peak_rss: int = 0
    tree_rss: int = 0
    processes: int = 0
    lingered: float = 0.0
    killed: list[str] = field(default_factory=list)
    cpu_sampled: float = 0.0
    cpu_lost: bool = False
    others: float = 0.0

    @property
    def cpu(self) -> float:
        """CPU seconds, user and system; the sampler's value if accounting lost time."""
        return max(self.user + self.system, self.cpu_sampled if self.cpu_lost else 0.0)


class Sampler(threading.Thread):
    """Watches our descendants until `stop`; kills them all at the deadline."""

    def __init__(self, timeout: float) -> None:
        super().__init__(daemon=True)
        self._deadline = time.monotonic() + timeout
        self._stopped = threading.Event()
        self._cpu: dict[tuple[int, int], float] = {}
        self.tree_rss = 0
        self.timed_out = False

    def run(self) -> None:
        """Sample at a fixed pace."""
        while not self._stopped.wait(SAMPLE_SECONDS):
            self.sample()
            if time.monotonic() > self._deadline:
                self.timed_out = True
                for process in descendants(os.getpid()):
                    kill(process.pid)

    def sample(self) -> None:
        """Note every descendant's memory and CPU."""
        processes = descendants(os.getpid())
        self.tree_rss = max(self.tree_rss, sum(process.rss for process in processes))
        for process in processes:
            self._cpu[process.pid, process.started] = process.cpu

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self.join()

    @property
    def cpu(self) -> float:
        """Seconds that all processes ever seen had used when last seen."""
        return sum(self._cpu.values())

    @property
    def seen(self) -> int:
        """The number of processes that were ever seen."""
        return len(self._cpu)


def measure(command: list[str], directory: Path, log: Path, timeout: float) -> Cost:
    """Run `command` in `directory`, its output in `log`.

    Call it once in a process, which may have no other children. Raises OSError if the command
    cannot be started.
    """
    become_subreaper()
    cost = Cost()
    busy = machine_busy()
    with log.open("wb") as output:
        started = time.monotonic()
        # Only we may wait for a child, so `main` is never polled.
        main = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=directory
        )
    sampler = Sampler(timeout)
    sampler.start()
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == main.pid:
            break
    cost.wall = time.monotonic() - started
    cost.exit_code = main.returncode = os.waitstatus_to_exitcode(status)
    cost.killed = reap_the_rest(time.monotonic() + LINGER_SECONDS)
    cost.lingered = time.monotonic() - started - cost.wall
    busy = machine_busy() - busy
    sampler.stop()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cost.user, cost.system, cost.peak_rss = used.ru_utime, used.ru_stime, used.ru_maxrss * 1024
    cost.tree_rss, cost.processes = max(sampler.tree_rss, cost.peak_rss), max(1, sampler.seen)
    cost.timed_out, cost.cpu_sampled = sampler.timed_out, sampler.cpu
    cost.cpu_lost = cost.cpu_sampled > used.ru_utime + used.ru_stime + CPU_SLACK_SECONDS
    own = resource.getrusage(resource.RUSAGE_SELF)
    cost.others = max(0.0, busy - cost.cpu - own.ru_utime - own.ru_stime)
    return cost


def become_subreaper() -> None:
    """Adopt orphaned descendants, and kill all descendants when a signal ends this process.

    Linux sends the signal when our parent dies. Raises OSError if Linux refuses.
    """
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, end_with_all)
    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((PR_SET_CHILD_SUBREAPER, 1), (PR_SET_PDEATHSIG, signal.SIGTERM)):
        if libc.prctl(option, int(value), 0, 0, 0) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


def end_with_all(signal_number: int, _: FrameType | None) -> None:
    """Kill every descendant, then exit as of that signal."""
    reap_the_rest(time.monotonic())
    os._exit(128 + signal_number)


def reap_the_rest(deadline: float) -> list[str]:
    """Wait until there are no descendants; kill what is left at the deadline and name it."""
    killed: dict[int, str] = {}
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return list(killed.values())
        if pid:
            continue
        if time.monotonic() > deadline:
            for process in descendants(os.getpid()):
                killed[process.pid] = process.name
                kill(process.pid)
        time.sleep(0.01)


def kill(pid: int) -> None:
    """Send SIGKILL to a process that may have ended."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def main() -> int:
    """Measure the command after `--`, and write the costs as JSON to a file."""
    parser = argparse.ArgumentParser(description="Run a command and write what its tree cost.")
    parser.add_argument("--result", type=Path, required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--timeout", type=float, default=900.0)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    cost = measure(options.command, options.directory, options.log, options.timeout)
    options.result.write_text(json.dumps(asdict(cost)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
