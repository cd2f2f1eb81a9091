"""`python -m benchmarks.shuffle --maps 500 --reduces 500`: a shuffle of many small segments.

Runs `mrmesos submit` with real processes. Each map sends one record to each reduce, so there are
maps x reduces segments, and nearly all of the cost is that of segments and tasks. Prints requests
per reduce, bytes of the maps' indexes, most file descriptors of one process of each kind, and CPU.
The output is checked.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.meter import Cost, measure
from benchmarks.processes import descendants
from mrmesos.io.shuffle.index import INDEX_FILE

JOB = Path(__file__).resolve().parent / "jobs" / "crossing.py"
SAMPLE_SECONDS = 2.0
KINDS = {
    "mrmesos.tasktracker": "TaskTracker",
    "mrmesos.worker": "worker",
    "minimesos": "Mesos",
    "submit": "JobTracker",
}
"""A part of the command line of each kind of process."""


@dataclass(slots=True)
class Seen:
    """The largest figures so far: file descriptors of a process by kind, and bytes of indexes."""

    files: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    index_bytes: int = 0

    def look(self, directory: Path) -> None:
        """Look at all descendants, and at the map outputs below `directory`."""
        for process in descendants(os.getpid()):
            try:
                command = Path(f"/proc/{process.pid}/cmdline").read_text(encoding="utf-8")
                files = len(os.listdir(f"/proc/{process.pid}/fd"))  # noqa: PTH208 (no Paths needed)
            except OSError:
                continue  # it has just ended
            kind = next((kind for words, kind in KINDS.items() if words in command), "other")
            self.files[kind] = max(self.files[kind], files)
        self.index_bytes = max(self.index_bytes, _index_bytes(directory))


def _index_bytes(directory: Path) -> int:
    total = 0
    for place, _, names in os.walk(directory):
        if INDEX_FILE in names:
            with contextlib.suppress(OSError):  # the job has just ended
                total += Path(place, INDEX_FILE).stat().st_size
    return total


def run(options: argparse.Namespace, directory: Path) -> tuple[Cost, Seen, dict[str, int]]:
    """Run the job. Returns its cost, the largest figures during the run, and its counters.

    Raises RuntimeError if it fails or its output is wrong.
    """
    (directory / "tmp").mkdir()
    lines, output = directory / "input", directory / "output"
    lines.write_text("".join(f"{number:07d}\n" for number in range(options.maps)))
    command = [
        *("env", f"TMPDIR={directory / 'tmp'}", f"HOME={directory}"),
        *(f"MRMESOS_HISTORY_DIR={directory / 'history'}", sys.executable, "-m", "mrmesos"),
        *("submit", str(JOB), "--local", "--local-agents", str(options.agents), "--quiet"),
        *("--input", str(lines), "--output", str(output), "--report", str(directory / "report")),
        *("-D", f"job.maps={options.maps}", "-D", f"job.reduces={options.reduces}"),
        *("-D", f"reduces={options.reduces}"),
    ]
    seen, over = Seen(), threading.Event()

    def watch() -> None:
        while not over.wait(SAMPLE_SECONDS):
            seen.look(directory / "tmp")

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        cost = measure(command, directory, directory / "log", options.limit)
    finally:
        over.set()
        watching.join()
    if cost.exit_code:
        raise RuntimeError(f"exit code {cost.exit_code}: {(directory / 'log').read_text()[-2000:]}")
    check(output, options.maps, options.reduces)
    report = json.loads((directory / "report").read_text())
    return cost, seen, report["counters"]["task"]


def check(output: Path, maps: int, reduces: int) -> None:
    """Raise RuntimeError if not every reduce got one record of each map."""
    found = "".join(path.read_text() for path in sorted(output.glob("part-*"))).split()
    wanted = [word for number in range(reduces) for word in (str(number), str(maps))]
    if found != wanted:
        raise RuntimeError(f"the output is wrong: {found[:20]} …")


def main() -> int:
    """Parse arguments, run, print one row."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--maps", type=int, default=500)
    parser.add_argument("--reduces", type=int, default=500)
    parser.add_argument("--agents", type=int, default=2)
    parser.add_argument("--limit", type=float, default=7200.0, help="seconds until it is ended")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mrmesos-shuffle-") as directory:
        cost, seen, counters = run(options, Path(directory))
    segments = options.maps * options.reduces
    files = ", ".join(f"{kind} {most}" for kind, most in sorted(seen.files.items()))
    print(
        f"maps {options.maps:,}  reduces {options.reduces:,}  segments {segments:,}  "
        f"agents {options.agents}  wall {cost.wall:.0f} s  CPU {cost.cpu:.0f} s, "
        f"{cost.cpu / segments * 1e6:.0f} µs a segment  largest process "
        f"{cost.peak_rss >> 20:,} MiB  requests a reduce "
        f"{counters['REDUCE_SHUFFLE_REQUESTS'] / options.reduces:.2f}  index "
        f"{seen.index_bytes / segments:.1f} B a segment  file descriptors: {files}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
