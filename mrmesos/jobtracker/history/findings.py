"""Why a job was slow: a short list of findings, each with numbers and the setting that helps.

Comes in: the record of a job that has ended, or of one in progress. Goes out: findings, the most
expensive first. A job without any of these faults has no findings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from statistics import median, median_low
from typing import NamedTuple

from mrmesos.conf import (
    AUTO_VALUE,
    IO_SORT_MB,
    SORT_ROW_BYTES,
    Conf,
    ConfError,
    memory_mb_for_sort,
    sort_buffer_bytes,
)
from mrmesos.jobtracker.history.record import HistoryRecord
from mrmesos.jobtracker.history.spread import FILES, SPLIT, Spread
from mrmesos.jobtracker.history.words import count, duration, percent, size
from mrmesos.resources import mebibytes
from mrmesos.wire.explain import Finding
from mrmesos.wire.ids import SETS, TaskKind
from mrmesos.wire.job import AttemptRow
from mrmesos.wire.task import AttemptState, ErrorKind, Locality

_SUCCEEDED, _FAILED = AttemptState.SUCCEEDED.value, AttemptState.FAILED.value
"""These are texts, not members of the enum. Comparing members costs several times as much, and
there may be many attempts.
"""
LEAST_SECONDS = 5.0
"""A fault that costs less than this is not worth a line."""
SKEW = 3.0
"""A task is skewed if it gets this many times the median."""
STRAGGLER = 2.0
"""An attempt is a straggler if it takes this many times the median."""
SMALL_FILE_BYTES = 256 << 10
MANY_FILES = 100
SPILLS = 1.5
"""Maps spill if they write each record this often."""
FAR = 0.3
"""Maps are far from their data if this part of them is."""
SLOW_HOST = 1.8
WASTED = 0.05
LONG_WAIT_SECONDS = 30.0
LONG_WAIT = 0.25
FEW = 3
"""With fewer attempts, a median says nothing."""


class _Won(NamedTuple):
    """The attempts of one kind that succeeded: each one's time, and the median."""

    rows: list[AttemptRow]
    seconds: list[float]
    typical: float


def _won(record: HistoryRecord, kind: TaskKind) -> _Won:
    rows = [
        row
        for row in record.report.attempts
        if row.state == _SUCCEEDED and row.kind == kind and row.end is not None
    ]
    seconds = [(row.end or 0.0) - row.start for row in rows]
    return _Won(rows, seconds, median(seconds) if seconds else 0.0)


def findings(record: HistoryRecord) -> list[Finding]:
    """All findings, the most expensive first."""
    won = {kind: _won(record, kind) for kind in SETS}
    maps = won[TaskKind.MAP]
    bad_hosts = list(_bad_hosts(record))
    slow_hosts = [each for kind in SETS for each in _slow_hosts(won[kind], kind)]
    found = [*bad_hosts, *slow_hosts, *_small_files(record, maps), *_spills(record, maps)]
    found += [*_locality(maps), *_waited(record), *_memory(record)]
    if not bad_hosts:
        found += _retries(record)
    for kind in SETS:
        skew = list(_skew(record, won[kind], kind))
        found += skew
        if not skew and not slow_hosts:
            found += _stragglers(record, won[kind], kind)
    return sorted(found, key=lambda each: -each.seconds)


def _spread(record: HistoryRecord, kind: str, name: str, group: str = "task") -> Spread | None:
    for each in record.spreads:
        if (each.kind, each.group, each.name) == (kind, group, name):
            return each
    return None


def _seconds(row: AttemptRow) -> float:
    return max(0.0, row.end - row.start) if row.end is not None else 0.0


def _short(task_or_attempt: str) -> str:
    """`r_000003` of a task's id."""
    return "_".join(task_or_attempt.split("_")[3:5])


def _skew(record: HistoryRecord, won: _Won, kind: TaskKind) -> Iterator[Finding]:
    """One task gets much more than the others, and takes longer for it."""
    names = {
        TaskKind.MAP: ("MAP_INPUT_BYTES", "MAP_INPUT_RECORDS"),
        TaskKind.REDUCE: ("REDUCE_SHUFFLE_BYTES", "REDUCE_INPUT_RECORDS"),
    }
    if len(won.rows) < 2:
        return
    typical = won.typical
    for name in names[kind]:
        got = _spread(record, kind, name)
        if got is None or got.tasks < 2 or got.maximum < SKEW * max(1, got.median):
            continue
        begin = f"attempt{got.most[4:]}_"
        mine = zip(won.rows, won.seconds, strict=True)
        longest = max((took for row, took in mine if row.id.startswith(begin)), default=0.0)
        if longest < STRAGGLER * typical or longest - typical < LEAST_SECONDS:
            continue
        unit = size if name.endswith("BYTES") else _records
        what = "of map output" if kind is TaskKind.REDUCE else "of input"
        yield Finding(
            what="skew",
            words=f"{kind} {_short(got.most)} got {unit(got.maximum)} {what}, "
            f"{got.maximum / max(1, got.median):,.1f} times the median of {unit(got.median)}, and "
            f"took {duration(longest)} instead of {duration(typical)}",
            help="a combiner, or a partitioner that spreads the largest keys; a larger job.reduces "
            "helps only if many keys share the partition"
            if kind is TaskKind.REDUCE
            else "split.maxsize cuts large files, unless their compression cannot be split",
            seconds=longest - typical,
        )
        return


def _records(number: float) -> str:
    return f"{count(number)} records"


def _stragglers(record: HistoryRecord, won: _Won, kind: TaskKind) -> Iterator[Finding]:
    """Some attempts take much longer, though they do not get more."""
    rows, typical = won.rows, won.typical
    if len(rows) < FEW:
        return
    slow = [number for number, took in enumerate(won.seconds) if took > STRAGGLER * typical]
    lost = sum(won.seconds[number] - typical for number in slow)
    if not slow or lost < LEAST_SECONDS or len(slow) > len(rows) / 4:
        return
    slowest = max(slow, key=won.seconds.__getitem__)
    worst = rows[slowest]
    setting = f"{kind}.speculative"
    off = record.spec is not None and record.spec.conf.get(setting, "true").lower() == "false"
    yield Finding(
        what="stragglers",
        words=f"{len(slow)} of {len(rows)} {kind} attempts took more than {STRAGGLER:g} times the "
        f"median of {duration(typical)}; the slowest, {_short(worst.id)}, took "
        f"{duration(won.seconds[slowest])} on {worst.hostname}",
        help=f"{setting}=true starts a second attempt of slow ones"
        if off
        else "a smaller job.speculative.slowtaskthreshold starts second attempts earlier; look at "
        "the attempt's log, too",
        seconds=lost,
    )


def _small_files(record: HistoryRecord, maps: _Won) -> Iterator[Finding]:
    """The input has many small files."""
    files = _spread(record, TaskKind.MAP, FILES, SPLIT)
    read = _spread(record, TaskKind.MAP, "MAP_INPUT_BYTES")
    if files is None or read is None or files.total < MANY_FILES:
        return
    average = read.total / files.total
    if average >= SMALL_FILE_BYTES:
        return
    yield Finding(
        what="small files",
        words=f"{count(files.total)} files of {size(average)} on average were read by "
        f"{count(files.tasks)} maps, {count(files.median)} files a map; to open a file costs more "
        "than to read so little",
        help="write fewer and larger files; a larger split.maxsize and a smaller job.maps give "
        "each map more of them",
        seconds=sum(maps.seconds) * (1 - average / SMALL_FILE_BYTES),
    )


def _spills(record: HistoryRecord, maps: _Won) -> Iterator[Finding]:
    """Maps write their output more than once, because it does not fit into the sort buffer."""
    spilled = _spread(record, TaskKind.MAP, "SPILLED_RECORDS")
    made = _spread(record, TaskKind.MAP, "MAP_OUTPUT_RECORDS")
    largest = _spread(record, TaskKind.MAP, "MAP_OUTPUT_BYTES")
    if spilled is None or made is None or largest is None or record.spec is None:
        return
    try:
        conf = Conf(record.spec.conf)
        buffer = sort_buffer_bytes(conf)
    except ConfError:
        return
    needed = largest.maximum + SORT_ROW_BYTES * made.maximum
    if spilled.total < SPILLS * max(1, made.total) or needed <= buffer:
        return
    again = 1 - made.total / spilled.total
    enough = -(-needed // (1 << 20)) + 1
    larger = f"map.memory.mb={memory_mb_for_sort(enough)}"
    if conf.get_as(IO_SORT_MB) != AUTO_VALUE:
        larger = f"io.sort.mb={enough} (and as much more map.memory.mb)"
    yield Finding(
        what="spills",
        words=f"maps wrote each record {spilled.total / max(1, made.total):.1f} times to disk: up "
        f"to {size(largest.maximum)} of output of a map does not fit into the sort buffer of "
        f"{size(buffer)}",
        help=f"{larger}, a combiner, or a smaller split.maxsize",
        seconds=sum(maps.seconds) * again / 4,
    )


def _locality(maps: _Won) -> Iterator[Finding]:
    """Many maps read over the network, and take longer for it."""
    near: list[float] = []
    far: list[float] = []
    for row, took in zip(maps.rows, maps.seconds, strict=True):
        (far if row.locality is Locality.ANY else near).append(took)
    if len(near) < FEW or len(far) < FAR * len(maps.rows):
        return
    lost = sum(far) - len(far) * median(near)
    if median(far) < 1.3 * median(near) or lost < LEAST_SECONDS:
        return
    yield Finding(
        what="locality",
        words=f"{percent(len(far) / len(maps.rows))} of the maps read their data over the network: "
        f"{duration(median(far))} instead of {duration(median(near))} (medians)",
        help="a larger locality.wait.node waits longer for agents that store the data; more "
        "replicas of the input help, too",
        seconds=lost,
    )


def _retries(record: HistoryRecord) -> Iterator[Finding]:
    """Failed attempts took time."""
    rows = record.report.attempts
    failed = [row for row in rows if row.state == _FAILED]
    lost = sum(map(_seconds, failed))
    if lost < LEAST_SECONDS or lost < WASTED * (total := sum(map(_seconds, rows))):
        return
    first = next((row.error for row in failed if row.error is not None), None)
    why = f"; the first error: {first.message[:160]}" if first is not None else ""
    yield Finding(
        what="retries",
        words=f"{len(failed)} attempts failed, after {duration(lost)} in all "
        f"({percent(lost / total)} of the job's time){why}",
        help="mend the first error; skip.records.max leaves bad records out",
        seconds=lost,
    )


def _bad_hosts(record: HistoryRecord) -> Iterator[Finding]:
    """Hosts on which attempts failed or took long, while attempts elsewhere did not."""
    rows = [row for row in record.report.attempts if row.end is not None]
    failed = [row for row in rows if row.state == _FAILED]
    if len(failed) < FEW:
        return
    ran = Counter(row.hostname for row in rows)
    won = Counter(row.hostname for row in rows if row.state == _SUCCEEDED)
    for host, number in Counter(row.hostname for row in failed).items():
        others, elsewhere = len(failed) - number, len(rows) - ran[host]
        fine = won.total() - won[host]
        if number < FEW or fine < FEW or number / ran[host] < SKEW * others / max(1, elsewhere):
            continue
        first = next(row for row in failed if row.hostname == host)
        why = f": {first.error.message[:160]}" if first.error is not None else ""
        yield Finding(
            what="bad host",
            words=f"{number} of {ran[host]} attempts on {host} failed, and {others} of "
            f"{elsewhere} elsewhere{why}",
            help=f"look at {host}; job.constraints='hostname != {host}' avoids it, and a smaller "
            "job.maxtaskfailures.per.tracker avoids such a host sooner",
            seconds=sum(_seconds(row) for row in failed if row.hostname == host),
        )


def _slow_hosts(won: _Won, kind: TaskKind) -> Iterator[Finding]:
    times: dict[str, list[float]] = {}
    for row, took in zip(won.rows, won.seconds, strict=True):
        times.setdefault(row.hostname, []).append(took)
    medians = {host: median(those) for host, those in times.items() if len(those) >= FEW}
    if len(medians) < 2:
        return
    typical = median_low(medians.values())
    for host, seconds in medians.items():
        lost = sum(times[host]) - len(times[host]) * typical
        if seconds < SLOW_HOST * typical or lost < LEAST_SECONDS:
            continue
        yield Finding(
            what="slow host",
            words=f"{len(times[host])} {kind}s on {host} took {duration(seconds)}, and "
            f"{duration(typical)} elsewhere (medians)",
            help=f"look at {host}: its disks, and what else runs there; "
            f"job.constraints='hostname != {host}' avoids it",
            seconds=lost,
        )


def _waited(record: HistoryRecord) -> Iterator[Finding]:
    """The job waited long for its first slot."""
    status = record.report.status
    begins = [row.start for row in record.report.attempts if row.start]
    if status.ended is None or not begins:
        return
    waited, total = min(begins) - status.submitted, status.ended - status.submitted
    if waited < LONG_WAIT_SECONDS or waited < LONG_WAIT * total:
        return
    yield Finding(
        what="waiting",
        words=f"it waited {duration(waited)} for its first attempt, of {duration(total)} in all",
        help="job.priority and job.pool, or a larger share of the pool; `mrmesos job explain` says "
        "why while it waits",
        seconds=waited,
    )


def _memory(record: HistoryRecord) -> Iterator[Finding]:
    """Attempts died of too little memory, and later ones got more."""
    dead = [
        row
        for row in record.report.attempts
        if row.state == _FAILED and row.error is not None and row.error.kind is ErrorKind.MEMORY
    ]
    for raised in record.spec.raised if record.spec is not None else ():
        kind = raised.setting.partition(".")[0]
        died = [row for row in dead if row.kind == kind]
        most = max(raised.mb, raised.lost_mb)
        gone = (
            f", until no agent had {mebibytes(raised.lost_mb)} any more" if raised.lost_mb else ""
        )
        yield Finding(
            what="memory",
            words=f"{raised.attempt_id} died of too little memory; later {kind}s got "
            f"{mebibytes(most)} and not {mebibytes(raised.before_mb)}{gone}; {count(len(died))} "
            f"{kind}{'s'[: len(died) != 1]} died so",
            help=f"{raised.setting}={most} from the start; task.memory.max.mb is the most",
            seconds=sum(_seconds(row) for row in died),
        )
