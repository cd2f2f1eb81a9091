"""The process behind a session: `python -m mrmesos.local.session_host`, a child of the user's.

Comes in: a HostRequest, one line on standard input. Goes out: a HostReply, one line on standard
output. Then it keeps a cluster and a JobTracker, or only the session's directory, until standard
input ends, a signal comes, or the JobTracker fails. It ends all processes that it has started, and
removes the directory. So nothing stays behind, however the user's process ends: its end closes our
standard input. Threads: main, and the JobTracker's.
"""

from __future__ import annotations

from mrmesos.startup import prepare

if __name__ == "__main__":
    prepare(module=True)

import os
import select
import sys
import time
from functools import partial

import click
import msgspec

from mrmesos import conf as settings
from mrmesos.access.pickle_keys import own_key
from mrmesos.client.access import open_client
from mrmesos.client.api_client import ApiProblem, Unreachable
from mrmesos.client.kept_jobs import BYTES_MAX, JOBS_MAX, history_dir, usable, with_history
from mrmesos.client.local_cluster import PRINCIPAL, LocalCluster, local_size
from mrmesos.client.preflight import check_master
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.client.terminal.interrupts import Interrupted, Interrupts
from mrmesos.conf import Conf
from mrmesos.io.fs.scratch import Scratch
from mrmesos.io.output.output_dir import OutputDirectory
from mrmesos.jobtracker.mesos.link import make_mesos_driver
from mrmesos.jobtracker.service import JobTrackerService
from mrmesos.task.files.user_logs import prune
from mrmesos.wire.chain import ChainStatus
from mrmesos.wire.job import JobStatus

LOOK_SECONDS = 0.5
STOP_SECONDS = 10.0
KILL_SECONDS = 20.0
IDLE_SECONDS = 120.0
"""TaskTrackers wait this long for the session's next job, unless a setting says otherwise."""
REQUEST_BYTES_MAX = 16 << 20


class HostRequest(msgspec.Struct, frozen=True):
    """The request of a session. Without `master` and `agents`, the session uses a JobTracker of
    others.

    `work` is the URI of a directory for results. Without it, they are in a temporary directory. At
    the end, the session's jobs on a `jobtracker` of others are killed.
    """

    session: str
    token: str
    conf: dict[str, str]
    master: str = ""
    agents: int = 0
    work: str = ""
    jobtracker: str = ""


class HostReply(msgspec.Struct, frozen=True):
    """The URL of the JobTracker and the directory for results, or why there are none."""

    url: str = ""
    data: str = ""
    error: str = ""


class Host:
    """The cluster and the JobTracker that this process has started."""

    def __init__(self, request: HostRequest) -> None:
        self._request = request
        self.conf = Conf(request.conf)
        self._interrupts = Interrupts()
        self._scratch: Scratch | None = None
        self._cluster: LocalCluster | None = None
        self._service: JobTrackerService | None = None
        self.data = ""

    def run(self) -> int:
        """Start everything, say so, and wait for the end."""
        with self._interrupts:
            try:
                self._say(HostReply(self._start(), self.data))
                self._wait()
            except Interrupted:
                pass
            except (click.ClickException, ValueError, OSError) as problem:
                words = getattr(problem, "message", "") or str(problem)
                self._say(HostReply(error=words))
                return 1
            finally:
                self._interrupts.begin_cleanup()
                self._end()
        return 0

    def _start(self) -> str:
        request = self._request
        if request.agents:
            size = local_size(request.agents)
            self._cluster = LocalCluster(size, request.agents)
            self._interrupts.last_call.before_end(self._cluster.kill)
        if request.work:
            self.data = f"{request.work.rstrip('/')}/session_{request.session}"
            OutputDirectory(self.data).make("")
        else:
            self._scratch = Scratch("mrmesos-session-")
            self.data = f"file://{self._scratch.name}"
        if not request.agents and not request.master:
            return ""
        conf = Conf({settings.TASKTRACKER_IDLE_SECONDS.name: str(IDLE_SECONDS)}).merged(self.conf)
        conf = self._keeping(conf)
        if self._cluster is not None:
            # The TaskTrackers stay: the next job then finds them, and their workers.
            conf = Conf({settings.TRACKERS_MINIMUM.name: str(request.agents)}).merged(conf)
            master = self._cluster.wait_ready()
            make = partial(make_mesos_driver, credentials=(PRINCIPAL, self._cluster.secret))
        else:
            master, make = request.master, partial(make_mesos_driver)
            check_master(master)
        self._service = JobTrackerService(
            conf,
            master,
            token=request.token,
            pickle_key=own_key(self.conf, os.environ),
            make_driver=make,
        )
        return self._service.start()

    def _keeping(self, conf: Conf) -> Conf:
        """The settings with the place where reports and logs of jobs are kept, if there is one."""
        try:
            root = usable(history_dir())
        except OSError:
            return conf
        if self._cluster is not None:
            conf = Conf({settings.TASKTRACKER_USERLOG_DIR.name: str(root)}).merged(conf)
        return with_history(conf, root)

    def _wait(self) -> None:
        """Wait until standard input ends, or until the cluster or the JobTracker has failed."""
        while True:
            readable, _, _ = select.select([sys.stdin.fileno()], [], [], LOOK_SECONDS)
            if readable and not os.read(sys.stdin.fileno(), 4096):
                return
            if self._service is not None and self._service.failure is not None:
                return
            if self._cluster is not None and self._cluster.poll() is not None:
                return

    def _say(self, reply: HostReply) -> None:
        sys.stdout.buffer.write(msgspec.json.encode(reply) + b"\n")
        sys.stdout.buffer.flush()

    def _end(self) -> None:
        wait_for_call = self._interrupts.wait_for_call
        if self._service is not None:
            left = self._interrupts.last_call.left(STOP_SECONDS, 2.0)
            wait_for_call(partial(self._service.stop, timeout=left), STOP_SECONDS + 5.0, keep=1.5)
            if self._service.left_behind and self._cluster is None:
                click.echo(f"warning: {self._service.left_behind}", err=True)
        if self._cluster is not None:
            self._cluster.stop(self._interrupts.wait_for)
            self._cluster.forget_failed()
            prune(history_dir(), BYTES_MAX, JOBS_MAX)
        if self._service is not None:
            wait_for_call(self._service.remove_leftovers, STOP_SECONDS, keep=0.3)
        if self._scratch is not None:
            self._scratch.cleanup()
        elif self.data:
            if self._request.jobtracker:
                wait_for_call(self._kill_left, KILL_SECONDS, keep=0.5)
            wait_for_call(partial(OutputDirectory(self.data).remove, ""), STOP_SECONDS, keep=0.1)

    def _is_live(self, status: JobStatus | ChainStatus) -> bool:
        return status.session == self._request.session and not status.state.ended

    def _kill_left(self) -> None:
        """Kill the session's running jobs on the JobTracker of others, and wait for their end."""
        deadline = time.monotonic() + KILL_SECONDS
        try:
            client = open_client(self._request.jobtracker, self.conf, retry_seconds=KILL_SECONDS)
            while time.monotonic() < deadline:
                left = [c.chain_id for c in client.chain_statuses() if self._is_live(c)]
                left += [job.job_id for job in client.statuses() if self._is_live(job)]
                if not left:
                    return
                for name in left:
                    client.kill(name, "the end of its session")
                client.has_ended(left[0], 1.0)
        except (ApiProblem, Unreachable, UsageProblem) as problem:
            click.echo(f"warning: the session's jobs may go on: {problem}", err=True)


def main() -> int:
    """Read the request and serve it. Returns the exit code."""
    with open(0, "rb", buffering=0, closefd=False) as file:
        # unbuffered, so that `select` sees the rest
        line = file.readline(REQUEST_BYTES_MAX)
    if not line.endswith(b"\n"):
        return 0  # the user's process has ended already
    return Host(msgspec.json.decode(line, type=HostRequest)).run()


if __name__ == "__main__":
    sys.exit(main())
