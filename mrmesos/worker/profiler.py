"""Profiles an attempt: where it spends CPU time, or what holds its memory at the peak.

Comes in: an attempt that runs. Goes out: a tree of functions (wire/profile.py), bounded in size.
Thread: the main one, which runs the attempt.

**CPU**: the kernel's timer of CPU time (ITIMER_PROF) interrupts the process every 10 ms. The
handler notes the stack, with the CPU time of the thread since the last note. So a long call into C
code counts in full. This needs no right to trace processes. (py-spy needs that right, and
containers and Yama often refuse it.) It costs 3 %, measured for a mapper that is a generator called
for each record. pyinstrument, which is called at each call of a function, took 3.6 times as long.
Other threads, and processes that user code starts, are not seen.

**Memory**: memray (`mrmesos[profile]`) sees all allocations, also those of Arrow and numpy. It
aggregates them while the attempt runs, so its file stays small. The attempt takes several times as
long.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import signal
import sys
import sysconfig
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import TypeVar

from mrmesos.conf import TASK_PROFILE, Conf
from mrmesos.task.drivers.user_code import TaskError
from mrmesos.wire.ids import parse_attempt
from mrmesos.wire.profile import (
    CPU,
    MEMORY,
    NODES_MAX,
    NONE,
    Node,
    Profile,
    kind_of,
    packed,
)
from mrmesos.wire.task import AttemptError, ErrorKind

T = TypeVar("T")
SAMPLE_SECONDS = 0.01
TREE_MAX = 50_000
"""Most functions of a tree while it grows. Beyond this, the value goes to the caller."""
DEPTH_MAX = 120
NAME_MAX = 160
_PACKAGE = str(Path(__file__).resolve().parents[1])
_OUTSIDE = frozenset({__file__, str(Path(__file__).with_name("loop.py"))})
"""The files whose functions run attempts. The functions that they call belong to the attempt."""


@dataclass(slots=True)
class _Calls:
    """A function in the tree. `value` includes the functions that it calls."""

    value: int = 0
    below: dict[object, _Calls] = field(default_factory=dict)


@dataclass(slots=True)
class Tree:
    """All stacks so far, from the outermost call on."""

    root: _Calls = field(default_factory=_Calls)
    size: int = 0

    def add(self, stack: Iterable[object], value: int) -> None:
        """Add one stack, from the outermost function on."""
        at = self.root
        at.value += value
        for function in stack:
            below = at.below.get(function)
            if below is None:
                if self.size >= TREE_MAX:
                    return
                self.size += 1
                below = at.below[function] = _Calls()
            at = below
            at.value += value


class Profiler:
    """The profile of one attempt. `text` is the packed profile, once it is over."""

    def __init__(self) -> None:
        self.text = ""

    def run(
        self, attempt_id: str, conf: Conf, work_dir: Path, hostname: str, call: Callable[[], T]
    ) -> T:
        """Call it, and profile it if the settings ask for that. Raises TaskError if this host
        cannot do it.
        """
        name = parse_attempt(attempt_id)
        kind = kind_of(conf, name.kind, name.index)
        self.text = ""
        if kind == NONE:
            return call()
        if kind == MEMORY:
            _need_memray(hostname)
        tree = Tree()
        try:
            return _sampled(tree, call) if kind == CPU else _measured(tree, work_dir, call)
        finally:
            self.text = packed(profile_of(tree, kind))


def _sampled(tree: Tree, call: Callable[[], T]) -> T:
    last = time.thread_time_ns()

    def note(_signal: int, frame: FrameType | None) -> None:
        nonlocal last
        now = time.thread_time_ns()
        stack: list[CodeType] = []
        while frame is not None and frame.f_code.co_filename not in _OUTSIDE:
            stack.append(frame.f_code)
            frame = frame.f_back
        tree.add(stack[: -DEPTH_MAX - 1 : -1], (now - last) // 1000)
        last = now

    signal.signal(signal.SIGPROF, note)
    signal.siginterrupt(signal.SIGPROF, False)
    signal.setitimer(signal.ITIMER_PROF, SAMPLE_SECONDS, SAMPLE_SECONDS)
    try:
        return call()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, _ignore)  # one may be on its way; SIG_DFL would end us


def _ignore(_signal: int, _frame: FrameType | None) -> None:
    """Does nothing. Children do not inherit a handler, but they would inherit SIG_IGN."""


def _need_memray(hostname: str) -> None:
    try:
        import memray  # noqa: F401
    except ImportError as problem:
        raise TaskError(
            AttemptError(
                kind=ErrorKind.INPUT,
                message=f"{TASK_PROFILE.name}={MEMORY} needs memray on {hostname}: pip install "
                f"'mrmesos[profile]' there ({problem})",
            )
        ) from None


def _measured(tree: Tree, work_dir: Path, call: Callable[[], T]) -> T:
    import memray

    path = work_dir / "memory.profile"
    form = memray.FileFormat.AGGREGATED_ALLOCATIONS
    try:
        with memray.Tracker(path, file_format=form):  # not in a generator: memray loses its stacks
            result = call()
        return result
    finally:
        if path.exists():
            with memray.FileReader(path) as reader:
                for record in reader.get_high_watermark_allocation_records(merge_threads=True):
                    tree.add(_of_attempt(record.stack_trace()), record.size)
            path.unlink()


def _of_attempt(calls: list[tuple[str, str, int]]) -> list[tuple[str, str]]:
    """The functions below our main loop, the outermost first. `calls` begins with the innermost."""
    inner = list(itertools.takewhile(lambda call: call[1] not in _OUTSIDE, calls))
    return [(name, path) for name, path, _ in inner[: -DEPTH_MAX - 1 : -1]]


def profile_of(tree: Tree, kind: str) -> Profile:
    """The NODES_MAX largest functions of a tree, each below its caller."""
    order = itertools.count()
    heap = [(-tree.root.value, next(order), tree.root)]
    kept: set[int] = set()
    while heap and len(kept) <= NODES_MAX:  # the root is one more, and is no function
        _, _, calls = heapq.heappop(heap)
        kept.add(id(calls))
        for below in calls.below.values():
            heapq.heappush(heap, (-below.value, next(order), below))
    frames: dict[str, int] = {}
    nodes: list[Node] = []
    left_out = sum(each.value for _, _, each in heap)
    line = [(function, calls, 0) for function, calls in _by_value(tree.root)]
    while line:
        function, calls, depth = line.pop()
        if id(calls) not in kept:
            continue
        frame = frames.setdefault(_name(function), len(frames))
        nodes.append(Node(depth, frame, calls.value))
        line += [(name, below, depth + 1) for name, below in _by_value(calls)]
    return Profile(
        kind=kind, total=tree.root.value, frames=list(frames), nodes=nodes, left_out=left_out
    )


def _by_value(calls: _Calls) -> list[tuple[object, _Calls]]:
    """The smallest first, because a stack is read from its end."""
    return sorted(calls.below.items(), key=lambda item: item[1].value)


def _name(function: object) -> str:
    """`count (words.py)`. Our files begin with `mrmesos/`, installed ones with `lib/`."""
    if isinstance(function, CodeType):
        name, path = function.co_qualname, function.co_filename
    else:
        assert isinstance(function, tuple)
        name, path = str(function[0]), str(function[1])
    return f"{name} ({_place(path)})"[:NAME_MAX]


@functools.cache
def _installed() -> tuple[str, ...]:
    return tuple(sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib"))


def _place(path: str) -> str:
    if path.startswith(f"{_PACKAGE}/"):
        return f"mrmesos/{path[len(_PACKAGE) + 1 :]}"
    for installed in _installed():
        if path.startswith(f"{installed}/"):
            return f"lib/{path[len(installed) + 1 :].removeprefix('site-packages/')}"
    best = max((p for p in sys.path if p and path.startswith(f"{p}/")), key=len, default="")
    if best:
        return path[len(best) + 1 :]
    return path.rpartition("/")[2]  # of a script: its directory may be on the client only
