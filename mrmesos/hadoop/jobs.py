"""`hadoop job` and `mapred job`: -list, -status, -kill, -counter, -history.

Words and exit codes are those of org.apache.hadoop.mapreduce.tools.CLI (Hadoop 3.4): 0, or 255 for
a wrong use, an unknown job, and a job that cannot be killed any more.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence

from mrmesos.access.identity import current_user
from mrmesos.client.access import open_client
from mrmesos.client.api_client import ApiProblem, JobTrackerClient, Unreachable
from mrmesos.client.config.configuration import read_configuration
from mrmesos.hadoop.saying import say
from mrmesos.wire.job import AttemptRow, JobReport, JobState, JobStatus, TaskCounts

EXIT_ERROR = 255
_USAGE = (
    "Usage: mapred job -list [all] | -status <job> | -kill <job> | "
    "-counter <job> <group> <counter> | -history [all] <job>"
)
_GROUPS = {
    "org.apache.hadoop.mapreduce.TaskCounter": "task",
    "org.apache.hadoop.mapred.Task$Counter": "task",
    "org.apache.hadoop.mapreduce.JobCounter": "job",
    "org.apache.hadoop.mapred.JobInProgress$Counter": "job",
}
"""Hadoop's names of groups of counters, and ours."""


def run_job(words: Sequence[str]) -> int:
    """Run one command. Returns Hadoop's exit code."""
    if not words:
        say(_USAGE)
        return EXIT_ERROR
    configuration = read_configuration()
    url = configuration.cluster.jobtracker
    if not url:
        say("no JobTracker is configured: set MRMESOS_JOBTRACKER_URL=http://host:5055")
        return EXIT_ERROR
    option, *rest = words
    try:
        conf = configuration.layers.for_client()
        client = open_client(url, conf, retry_seconds=3.0, return_seconds=3.0)
        match option, rest:
            case "-list", [] | ["all"]:
                return _print(_list(client.statuses(), everything=bool(rest)))
            case "-status", [job_id]:
                return _print(_status(client.status(job_id), f"{url}/ui/jobs/{job_id}"))
            case "-kill", [job_id]:
                return _kill(client, job_id)
            case "-counter", [job_id, group, name]:
                counters = client.status(job_id).counters or {}
                amount = counters.get(_GROUPS.get(group, group), {}).get(name, 0)
                return _print(iter([str(amount)]))
            case "-history", [*more, job_id] if more in ([], ["all"]):
                return _print(_history(client.report(job_id), attempts=bool(more)))
    except ApiProblem as problem:
        say(f"Could not find job: {problem}" if problem.status == 404 else str(problem))
        return EXIT_ERROR
    except Unreachable as problem:
        say(str(problem))
        return EXIT_ERROR
    say(_USAGE)
    return EXIT_ERROR


def _print(lines: Iterator[str]) -> int:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    return 0


def _list(statuses: Sequence[JobStatus], *, everything: bool) -> Iterator[str]:
    shown = [each for each in statuses if everything or not each.state.ended]
    yield f"Total jobs:{len(shown)}"
    yield "\t".join(("JobId".rjust(28), "JobName", "State", "StartTime", "UserName"))
    for each in shown:
        started = int((each.started or each.submitted) * 1000)
        fields = (each.job_id.rjust(28), each.name, each.state.value, str(started), each.user)
        yield "\t".join(fields)


def _done(counts: TaskCounts) -> float:
    return counts.succeeded / counts.total if counts.total else 0.0


def _status(status: JobStatus, url: str) -> Iterator[str]:
    yield from (
        "",
        f"Job: {status.job_id}",
        f"Job File: {status.name}",
        f"Job Tracking URL : {url}",
        f"Number of maps: {status.maps.total}",
        f"Number of reduces: {status.reduces.total}",
        f"map() completion: {_done(status.maps)}",
        f"reduce() completion: {_done(status.reduces)}",
        f"Job state: {status.state.value}",
        f"reason for failure: {status.error.message if status.error else ''}",
        f"Counters: {sum(map(len, (status.counters or {}).values()))}",
    )
    yield from _counters(status)


def _counters(status: JobStatus) -> Iterator[str]:
    for group, names in (status.counters or {}).items():
        yield f"\t{group}"
        for name, amount in names.items():
            yield f"\t\t{name}={amount}"


_NOT_KILLED = {
    JobState.FAILED: "Could not mark the job {} as killed, as it has already failed.",
    JobState.KILLED: "The job {} has already been killed.",
    JobState.SUCCEEDED: "Could not kill the job {}, as it has already succeeded.",
}


def _kill(client: JobTrackerClient, job_id: str) -> int:
    state = client.status(job_id).state
    if state in _NOT_KILLED:
        _print(iter([_NOT_KILLED[state].format(job_id)]))
        return EXIT_ERROR
    client.kill(job_id, current_user())
    return _print(iter([f"Killed job {job_id}"]))


def _history(report: JobReport, *, attempts: bool) -> Iterator[str]:
    """A job's times, counters and tasks. With `attempts`, each attempt, too."""
    status = report.status
    yield from ("", f"Hadoop job: {status.job_id}", "=====================================")
    yield from (f"User: {status.user}", f"JobName: {status.name}")
    yield f"Submitted At: {_time(status.submitted)}"
    yield f"Launched At: {_time(status.started)}{_since(status.submitted, status.started)}"
    yield f"Finished At: {_time(status.ended)}{_since(status.started, status.ended)}"
    yield f"Status: {status.state.value}"
    if status.error:
        yield f"Failure Info: {status.error.message}"
    yield "Counters: "
    yield from _counters(status)
    yield from ("", "Task Summary", "============================")
    yield "Kind\tTotal\tSuccessful\tFailed\tKilled\tStartTime\tFinishTime"
    for kind, counts in (("map", status.maps), ("reduce", status.reduces)):
        own = [each for each in report.attempts if each.kind == kind]
        first = min((each.start for each in own), default=None)
        last = max((each.end for each in own if each.end is not None), default=None)
        numbers = (counts.total, counts.succeeded, counts.failed_attempts, counts.killed_attempts)
        yield "\t".join(
            (kind.capitalize(), *map(str, numbers), _time(first), _time(last)),
        )
    yield "============================"
    if attempts:
        yield from _attempts(report.attempts)


def _attempts(rows: Sequence[AttemptRow]) -> Iterator[str]:
    yield from ("", "Task Attempts", "AttemptId\tState\tStartTime\tFinishTime\tHostName\tError")
    for each in rows:
        error = each.error.message if each.error else ""
        times = (_time(each.start), _time(each.end))
        yield "\t".join((each.id, each.state, *times, each.hostname, error))


def _time(seconds: float | None) -> str:
    """As Hadoop writes it: `10-Jul-2026 09:30:00`."""
    return "" if seconds is None else time.strftime("%d-%b-%Y %H:%M:%S", time.localtime(seconds))


def _since(before: float | None, after: float | None) -> str:
    return "" if before is None or after is None else f" ({round(after - before)}sec)"
