"""Formats a job's result: counters, the error that matters, and the report file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from mrmesos.client.terminal.printable import printable
from mrmesos.wire.chain import ChainState, ChainStatus
from mrmesos.wire.job import FOREIGN_PICKLES, PICKLED_RECORDS, JobReport, JobState, JobStatus
from mrmesos.wire.task import AttemptError, ErrorKind

_ADVICE = {
    ErrorKind.USER_CODE: "correct the job's code, or let it skip the record, and submit again",
    ErrorKind.INPUT: "check the input named above and submit again",
    ErrorKind.OUTPUT: "correct the record if one is named above, else check that the output can be "
    "written there, and submit again",
    ErrorKind.MEMORY: "raise map.memory.mb or reduce.memory.mb with -D, or keep less in memory",
    ErrorKind.CRASH: "the worker process died; read the end of the attempt's log",
    ErrorKind.TIMEOUT: "raise task.timeout with -D, or report progress from the task",
    ErrorKind.FETCH: "look at the TaskTracker that served the map output named above",
    ErrorKind.LOST: "look at the agent named above, then submit again",
    ErrorKind.SETTINGS: "change the setting, or give the cluster what it asks for",
    ErrorKind.INTERNAL: "this is a bug in mrmesos: please report it with the lines above",
}


def format_counters(counters: Mapping[str, Mapping[str, int]]) -> str:
    """Format the counters by group, with names and amounts in columns."""
    lines = []
    for group in sorted(counters, key=lambda name: (name != "task", name)):
        names = counters[group]
        if not names:
            continue
        width = max(len(name) for name in names)
        lines.append(f"  {group}")
        lines += [f"    {name:<{width}}  {amount:>15,}" for name, amount in sorted(names.items())]
    return printable("\n".join(lines))


def format_end(status: JobStatus) -> str:
    """Format the last line of a job."""
    end = status.ended if status.ended is not None else status.submitted
    line = f"{status.job_id} {status.state.value} in {end - status.submitted:.1f} s"
    return f"{line}: {status.output}" if status.state is JobState.SUCCEEDED else line


def notes(status: JobStatus) -> list[str]:
    """Notes for the user about a job that has ended."""
    of_tasks = status.counters.get("task", {})
    found = []
    if written := of_tasks.get(PICKLED_RECORDS, 0):
        found.append(
            f"note: {written:,} records or more are in files with pickled columns, because no "
            "Arrow type holds their values. Jobs of the same key read these as objects, others as "
            "bytes (docs/types.md)."
        )
    if foreign := of_tasks.get(FOREIGN_PICKLES, 0):
        found.append(
            f"note: {foreign:,} pickled values of the input came as bytes, because they are not "
            "signed with the key of this job (docs/security-design.md)."
        )
    return found


def format_error(error: AttemptError, log: str) -> str:
    """Format the first real error of a job, its place and what to do.

    `log` says how to read the output of the attempt. The URL in the error ends with its
    TaskTracker.
    """
    lines = [f"error: {error.message}"]
    facts = (
        ("kind", error.kind.value),
        ("where", error.where),
        ("record", error.record),
        ("attempt", error.attempt_id),
        ("agent", error.hostname),
        ("log", log),
    )
    lines += [f"  {name + ':':<9}{text}" for name, text in facts if text]
    if error.detail:
        lines += ["", *(f"  {line}" for line in error.detail.rstrip().splitlines()), ""]
    lines.append(f"  {'next:':<9}{_ADVICE[error.kind]}")
    return printable("\n".join(lines))


def format_chain_end(status: ChainStatus) -> str:
    """Format the last line of a chain."""
    end = status.ended if status.ended is not None else status.submitted
    line = f"{status.chain_id} {status.state.value} in {end - status.submitted:.1f} s"
    succeeded = status.state is ChainState.SUCCEEDED
    return printable(f"{line}: {status.output}" if succeeded else line)


def report_json(report: JobReport) -> bytes:
    """The fields of the status and `attempts`, as one indented JSON object."""
    fields = msgspec.to_builtins(report.status)
    fields["attempts"] = msgspec.to_builtins(report.attempts)
    return msgspec.json.format(msgspec.json.encode(fields), indent=2) + b"\n"


def write_report(report: JobReport, path: Path) -> None:
    """Write the whole report or nothing. Raises OSError."""
    _write_whole(report_json(report), path)


def write_chain_report(status: ChainStatus, path: Path) -> None:
    """Write the status of a chain with its steps, whole or not at all. Raises OSError."""
    _write_whole(msgspec.json.format(msgspec.json.encode(status), indent=2) + b"\n", path)


def _write_whole(data: bytes, path: Path) -> None:
    path = path.resolve()
    if path.exists() and not path.is_file():  # /dev/stdout, or a named pipe: nothing to replace
        with path.open("wb") as file:
            file.write(data)
        return
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
