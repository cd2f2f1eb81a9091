"""`hadoop job` and `mapred job`: -list, -status, -kill, -counter."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from mrmesos.client.access import open_client
from mrmesos.client.api_client import ApiProblem, JobTrackerClient, Unreachable
from mrmesos.conf import Conf
from mrmesos.hadoop.jar import say
from mrmesos.jobtracker.mesos.user import current_user

_USAGE = (
    "Usage: mapred job -list [all] | -status <job> | -kill <job> | -counter <job> <group> <counter>"
)


def run_job(words: Sequence[str]) -> int:
    """Run one command. Returns Hadoop's exit code."""
    url = os.environ.get("MRMESOS_JOBTRACKER_URL", "")
    if not words:
        say(_USAGE)
        return 255
    if not url:
        say("no JobTracker is configured: set MRMESOS_JOBTRACKER_URL=http://host:5055")
        return 255
    option, *rest = words
    try:
        client = open_client(url, Conf(), retry_seconds=3.0, return_seconds=3.0)
        match option, rest:
            case "-list", _:
                return _list(client, everything=rest == ["all"])
            case "-status", [job_id]:
                return _status(client, job_id)
            case "-kill", [job_id]:
                client.kill(job_id, current_user())
                sys.stdout.write(f"Killed job {job_id}\n")
                return 0
            case "-counter", [job_id, group, name]:
                counters = client.status(job_id).counters or {}
                sys.stdout.write(f"{counters.get(group, {}).get(name, 0)}\n")
                return 0
    except ApiProblem as problem:
        say(f"Could not find job: {problem}" if problem.status == 404 else str(problem))
        return 255
    except Unreachable as problem:
        say(str(problem))
        return 255
    say(_USAGE)
    return 255


def _list(client: JobTrackerClient, *, everything: bool) -> int:
    statuses = [each for each in client.statuses() if everything or not each.state.ended]
    sys.stdout.write(f"Total jobs:{len(statuses)}\n")
    sys.stdout.write(f"{'JobId':>28}\t{'State':>10}\t{'UserName':>12}\t{'Queue':>10}\n")
    for each in statuses:
        row = f"{each.job_id:>28}\t{each.state.value:>10}\t{each.user:>12}\t{each.name:>10}\n"
        sys.stdout.write(row)
    return 0


def _status(client: JobTrackerClient, job_id: str) -> int:
    status = client.status(job_id)
    done = [
        counts.succeeded / counts.total if counts.total else 0.0
        for counts in (status.maps, status.reduces)
    ]
    sys.stdout.write(
        f"Job: {job_id}\nJob File: {status.name}\nmap() completion: {done[0]}\n"
        f"reduce() completion: {done[1]}\nJob state: {status.state.value}\n"
    )
    for group, names in (status.counters or {}).items():
        sys.stdout.write(f"\t{group}\n")
        for name, amount in names.items():
            sys.stdout.write(f"\t\t{name}={amount}\n")
    return 0
