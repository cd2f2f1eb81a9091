"""Shows where a worker spends its time: `python -m benchmarks.profile_job JOB.py INPUT`.

Maps and reduces run in this process with the workers' code, including sort, spill and merge, but
without fetches and heartbeats. The job runs twice. The first run samples the running line a
thousand times per CPU second, which gives true shares. The second run uses cProfile, which counts
calls. cProfile slows down Python calls and yields, but not native code, so ignore its seconds.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import pstats
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

from mrmesos.client.code.loading import load
from mrmesos.client.code.target import parse_target
from mrmesos.conf import Conf
from mrmesos.local import one_job, run_job
from mrmesos.task.map_task import run_map
from mrmesos.task.reduce_task import run_reduce

GC_THRESHOLDS = (50_000, 20, 20)
"""The thresholds of workers."""
INTERVAL = 0.001


class Sampled:
    """CPU seconds that calls took, and which line of which function was running how often."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.functions: Counter[str] = Counter()
        self.lines: Counter[str] = Counter()

    def runcall(self, function: Callable[..., Any], /, *args: Any, **named: Any) -> Any:
        """Call it and look on."""
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)
        started = time.process_time()
        try:
            return function(*args, **named)
        finally:
            self.seconds += time.process_time() - started
            signal.setitimer(signal.ITIMER_PROF, 0)

    def _look(self, _: int, frame: FrameType | None) -> None:
        while frame is not None and frame.f_back is not None and is_library(frame):
            frame = frame.f_back
        if frame is not None:
            place = f"{Path(frame.f_code.co_filename).name}:{frame.f_code.co_qualname}"
            self.functions[place] += 1
            self.lines[f"{place}, line {frame.f_lineno}"] += 1

    def show(self, top: int) -> None:
        """Print shares of the CPU time. A library's time counts for its caller."""
        for counted in (self.functions, self.lines):
            total = counted.total() or 1
            for place, count in counted.most_common(top):
                print(f"{count / total:8.1%} {count / total * self.seconds:7.2f} s  {place}")
            print()


def is_library(frame: FrameType) -> bool:
    """Whether the code belongs to pyarrow, numpy or Python itself."""
    return "/lib/python" in frame.f_code.co_filename or frame.f_code.co_filename.startswith("<")


Observer = Sampled | cProfile.Profile


def run(options: argparse.Namespace, maps: Observer, reduces: Observer) -> None:
    """The whole job, maps and reduces each called by its observer."""
    settings = dict(setting.split("=", 1) for setting in options.settings)
    loaded = load(parse_target(options.job), Conf(settings), [])

    def watched_map(*args: Any, **named: Any) -> Any:
        return maps.runcall(run_map, *args, **named)

    def watched_reduce(*args: Any, **named: Any) -> Any:
        return reduces.runcall(run_reduce, *args, **named)

    with mock.patch.multiple(one_job, run_map=watched_map, run_reduce=watched_reduce):
        run_job.run_job(type(loaded.job), options.input, conf=dict(loaded.conf))


def main() -> int:
    """Run twice, print both."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("job", help="a script, or script:class")
    parser.add_argument("input", type=Path)
    parser.add_argument("-D", dest="settings", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--top", type=int, default=15)
    options = parser.parse_args()
    gc.set_threshold(*GC_THRESHOLDS)
    samples = {"maps": Sampled(), "reduces": Sampled()}
    run(options, *samples.values())
    profiles = {"maps": cProfile.Profile(), "reduces": cProfile.Profile()}
    run(options, *profiles.values())
    for kind, profile in profiles.items():
        print(f"{kind}: {samples[kind].seconds:.2f} CPU seconds\n")
        samples[kind].show(options.top)
        pstats.Stats(profile).strip_dirs().sort_stats("tottime").print_stats(options.top)
    return 0


if __name__ == "__main__":
    sys.exit(main())
