"""`python -m benchmarks.load.run --trackers 1000`: load on a real `mrmesos jobtracker` by HTTP.

This process plays Mesos and all TaskTrackers; their core, messages and signatures are those of
production, and an attempt is a timer. The JobTracker is a process of its own with a journal, on
CPU 0; this one is on the last CPU. Prints attempts that ended a second, heartbeat latencies (from
sending the report of an ended attempt until the answer, which brings the next one), the
JobTracker's CPU time an attempt, how much of a core this process took, and how late its timers
were. If it took nearly a whole core, or if its timers were as late as the heartbeats were long, the
figures are those of the load, not of the JobTracker.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import resource
import shutil
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.load.played_cluster import PlayedContainers, start_cluster
from benchmarks.load.played_tracker import Tally
from benchmarks.processes import read_process
from mrmesos.garbage import look_seldom, set_apart

JOB = Path(__file__).resolve().parents[1] / "jobs" / "empty.py"
START_SECONDS = 60.0


async def measure(options: argparse.Namespace, directory: Path) -> None:
    """Run one job and print its figures.

    The job does not come to its end, as there are no files to commit.
    """
    tally = Tally()
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: tally.failures.append(repr(context.get("exception", context["message"])))
    )
    seconds = options.trackers * options.slots / options.rate
    containers = PlayedContainers(tally, seconds)
    minimesos = await start_cluster(
        directory / "mesos", options.trackers, options.slots, containers
    )
    environment = os.environ | {"HOME": str(directory), "MRMESOS_HISTORY_DIR": str(directory / "h")}
    jobtracker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mrmesos", "jobtracker", "--master", minimesos.url, "--port", "0"),
        *("--state-dir", str(directory / "state")),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=(directory / "jobtracker.log").open("wb"),
        preexec_fn=lambda: os.sched_setaffinity(0, {0}),
    )
    try:
        assert jobtracker.stdout is not None
        line = await asyncio.wait_for(jobtracker.stdout.readline(), START_SECONDS)
        url = line.decode().split()[-1]
        lines = directory / "input"
        lines.write_text("".join(f"{number:07d}\n" for number in range(options.attempts)))
        await submit(url, lines, directory / "output", options.attempts, environment)
        gc.collect()
        set_apart()
        report(tally, await steady(jobtracker.pid, tally, options), options)
    finally:
        await containers.close(0)
        if jobtracker.returncode is None:
            jobtracker.send_signal(signal.SIGTERM)
        await jobtracker.wait()
        await minimesos.stop()


async def submit(
    url: str, lines: Path, output: Path, attempts: int, environment: dict[str, str]
) -> None:
    """Submit the job, and leave it to the JobTracker."""
    submitting = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mrmesos", "submit", str(JOB), "--jobtracker", url, "--detach"),
        *("--input", str(lines), "--output", str(output)),
        *("-D", f"job.maps={attempts}", "-D", "job.reduces=0"),
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
    )
    if code := await asyncio.wait_for(submitting.wait(), START_SECONDS):
        raise RuntimeError(f"submit ended with exit code {code}")


async def steady(
    pid: int, tally: Tally, options: argparse.Namespace
) -> tuple[float, int, float, int, float]:
    """CPU seconds and ended attempts at a quarter and at nine tenths of the job's attempts; the
    CPU seconds of this process between them.
    """
    marks: list[tuple[float, int, float]] = []
    for share in (0.25, 0.9):
        deadline = asyncio.get_running_loop().time() + 600
        while len(tally.ends) < share * options.attempts:
            if tally.failures:
                raise RuntimeError(tally.failures[0])
            if asyncio.get_running_loop().time() > deadline:
                raise TimeoutError(f"only {len(tally.ends):,} attempts have ended")
            await asyncio.sleep(0.05)
        marks.append((cpu_of(pid), len(tally.ends), time.process_time()))
    (first, begun, own), (last, ended, own_last) = marks
    return first, begun, last, ended, own_last - own


def cpu_of(pid: int) -> float:
    """CPU seconds of a process so far."""
    process = read_process(pid)
    if process is None:
        raise ProcessLookupError(f"the JobTracker {pid} has ended")
    return process.cpu


def report(
    tally: Tally, cpu: tuple[float, int, float, int, float], options: argparse.Namespace
) -> None:
    """Print one row."""
    first, begun, last, ended, own = cpu
    wall = tally.ends[ended - 1] - tally.ends[begun]
    quantiles = statistics.quantiles(tally.latencies[len(tally.latencies) // 4 :], n=100)
    late = statistics.quantiles(tally.lateness[len(tally.lateness) // 4 :], n=100)[98]
    print(
        f"trackers {options.trackers:,}  slots {options.trackers * options.slots:,}  "
        f"asked {options.rate:,.0f}/s  ended {(ended - begun) / wall:,.0f}/s  "
        f"heartbeat p50 {quantiles[49] * 1000:.1f} ms  p99 {quantiles[98] * 1000:.1f} ms  "
        f"JobTracker {(last - first) / (ended - begun) * 1000:.3f} ms CPU an attempt, "
        f"{(last - first) / wall:.2f} of a core, the load {own / wall:.2f}, "
        f"p99 of its timers {late * 1000:.1f} ms late"
    )


def main() -> int:
    """Parse arguments, raise limits, measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--trackers", type=int, default=1000)
    parser.add_argument("--slots", type=int, default=1, help="slots of each TaskTracker")
    parser.add_argument("--rate", type=float, default=2000.0, help="attempts a second to ask for")
    parser.add_argument("--attempts", type=int, default=30_000)
    parser.add_argument("--log", help="keep the JobTracker's log in this file")
    options = parser.parse_args()
    look_seldom()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory(prefix="mrmesos-load-") as directory:
        asyncio.run(measure(options, Path(directory)))
        if options.log:
            shutil.copy(Path(directory, "jobtracker.log"), options.log)
    return 0


if __name__ == "__main__":
    sys.exit(main())
