"""The history as one file for each job, below a URI such as `hdfs://nn/mrmesos/history`.

It suits clusters whose JobTrackers run on any host. Hadoop and Spark keep their histories in the
same way. Each day has a directory. A job's file stands in the directory of the day on which the job
ended. The file's name tells what lists of jobs show, so a list opens no file:

    2026-11-29/job_202611290830_0007,1764404000123,1764404930456,SUCCEEDED,160,8,ada,word%20count.job

Its fields are the job, when it was submitted and when it ended (Unix milliseconds), its state, its
maps, its reduces, its user and its name. The content is the record, packed as in SQLite. A file is
written under another name and renamed. Thread: any; each call lists anew.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from mrmesos.io.fs.filesystem import InputError, open_filesystem
from mrmesos.jobtracker.history.record import HistoryRecord
from mrmesos.jobtracker.storage.history import HistoryError, HistoryLine, pack, unpack

SUFFIX = ".job"
NAME_BYTES = 100
"""Most bytes of a quoted user or job name in a file's name. HDFS and Linux take 255 in all."""
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class _Kept(NamedTuple):
    path: str
    line: HistoryLine


class HistoryFiles:
    """The history below `uri`. It has the methods of History."""

    def __init__(self, uri: str) -> None:
        self.place = uri.rstrip("/")

    def put(self, record: HistoryRecord) -> None:
        """Keep a record. It replaces an older record of the same job. Raises HistoryError."""
        status = record.report.status
        with _errors(self.place):
            fs, root = self._open()
            before = [kept.path for kept in self._of_job(fs, root, status.job_id)]
            name = file_name(record)
            day = f"{root}/{_day(status.submitted if status.ended is None else status.ended)}"
            fs.makedirs(day, exist_ok=True)
            aside = f"{day}/_{os.getpid()}-{time.monotonic_ns()}"
            with fs.open(aside, "wb") as file:
                file.write(pack(record))
            for path in before:
                fs.rm_file(path)
            fs.mv(aside, f"{day}/{name}")

    def prune(self, *, max_age_seconds: float, max_bytes: int, now: float | None = None) -> int:
        """As History.prune. Raises HistoryError."""
        now = time.time() if now is None else now
        gone, total = 0, 0
        with _errors(self.place):
            fs, root = self._open()
            for number, kept in enumerate(self._all(fs, root)):
                total += kept.line.bytes
                old = max_age_seconds and now - kept.line.ended > max_age_seconds
                if number and (old or (max_bytes and total > max_bytes)):
                    fs.rm_file(kept.path)
                    gone += 1
            for day in self._days(fs, root) if gone else ():
                if not fs.ls(f"{root}/{day}", detail=False):
                    fs.rmdir(f"{root}/{day}")
        return gone

    def ids(self) -> set[str]:
        """The ids of all jobs. Raises HistoryError."""
        with _errors(self.place):
            return {kept.line.job_id for kept in self._all(*self._open())}

    def lines(
        self, *, limit: int, name: str = "", user: str = "", state: str = "", text: str = ""
    ) -> list[HistoryLine]:
        """As History.lines. A line has no error, because errors stand only in the records. Raises
        HistoryError.
        """
        found: list[HistoryLine] = []
        with _errors(self.place):
            for kept in self._all(*self._open()):
                line = kept.line
                told = f"{line.job_id} {line.name} {line.user}".lower()
                if (
                    name.lower() in line.name.lower()
                    and (not user or line.user == user)
                    and (not state or line.state == state)
                    and text.lower() in told
                ):
                    found.append(line)
                if len(found) >= limit:
                    break
        return found

    def get(self, job_id: str) -> HistoryRecord | None:
        """The record of a job; None if there is none. Raises HistoryError."""
        with _errors(self.place):
            fs, root = self._open()
            for kept in self._of_job(fs, root, job_id):
                return unpack(fs.cat_file(kept.path), kept.path)
        return None

    def set_aside(self) -> str:
        """Always raises OSError: a damaged file belongs to one job, so there is nothing to set
        aside.
        """
        raise OSError("the history is a directory of files")

    def _open(self) -> tuple[Any, str]:
        fs, root = open_filesystem(self.place)
        return fs, root.rstrip("/")

    def _days(self, fs: Any, root: str) -> list[str]:
        """The directories of days, the last one first."""
        if not fs.exists(root):
            return []
        names = (path.rstrip("/").rpartition("/")[2] for path in fs.ls(root, detail=False))
        return sorted(filter(_DAY.fullmatch, names), reverse=True)

    def _all(self, fs: Any, root: str) -> Iterator[_Kept]:
        """All jobs, those that ended last first. Reads a day at a time."""
        for day in self._days(fs, root):
            kept = [
                _Kept(entry["name"], line)
                for entry in fs.ls(f"{root}/{day}", detail=True)
                if (line := parse_name(entry["name"], int(entry["size"] or 0))) is not None
            ]
            kept.sort(key=lambda one: (one.line.ended, one.line.job_id), reverse=True)
            yield from kept

    def _of_job(self, fs: Any, root: str, job_id: str) -> Iterator[_Kept]:
        """The files of a job: mostly one."""
        return (kept for kept in self._all(fs, root) if kept.line.job_id == job_id)


def file_name(record: HistoryRecord) -> str:
    """The name of a record's file."""
    status = record.report.status
    ended = status.ended if status.ended is not None else status.submitted
    fields = (
        status.job_id,
        f"{round(status.submitted * 1000)}",
        f"{round(ended * 1000)}",
        status.state.value,
        f"{status.maps.total}",
        f"{status.reduces.total}",
        _quoted(status.user, NAME_BYTES // 3),
        _quoted(status.name, NAME_BYTES),
    )
    return ",".join(fields) + SUFFIX


def parse_name(path: str, size: int) -> HistoryLine | None:
    """The facts in a file's name. None if it is no job's file."""
    name = path.rpartition("/")[2]
    fields = name.removesuffix(SUFFIX).split(",")
    if not name.endswith(SUFFIX) or len(fields) != 8:
        return None
    numbers = [fields[place] for place in (1, 2, 4, 5)]
    if not all(each.isascii() and each.isdigit() and len(each) < 16 for each in numbers):
        return None
    submitted, ended, maps, reduces = map(int, numbers)
    return HistoryLine(
        job_id=fields[0],
        name=unquote(fields[7]),
        user=unquote(fields[6]),
        state=fields[3],
        submitted=submitted / 1000,
        ended=ended / 1000,
        maps=maps,
        reduces=reduces,
        bytes=size,
        error="",
    )


def _quoted(text: str, most: int) -> str:
    """The text for a file's name. A long one is cut between two characters."""
    found = ""
    for character in text:
        more = quote(character, safe="", errors="replace")
        if len(found) + len(more) > most:
            break
        found += more
    return found


def _day(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d")


@contextlib.contextmanager
def _errors(place: str) -> Iterator[None]:
    """Turn every exception of a filesystem into HistoryError."""
    try:
        yield
    except HistoryError:
        raise
    except InputError as problem:
        raise HistoryError(str(problem)) from problem
    except Exception as problem:  # drivers raise any type
        raise HistoryError(f"{place}: {problem or type(problem).__name__}") from problem
