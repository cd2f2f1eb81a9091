"""Runs a job from a script or a notebook, and returns its output as a table.

    from mrmesos.local.run import run

    result = run(WordCount, "logs/*.txt").result()
    result.to_pandas()

`run` starts `mrmesos submit` in a child process. So no threads or signal handlers stay in this
process, and the job runs exactly as from the command line.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

import msgspec

from mrmesos.api.chain import Chain, check_chain, last_steps
from mrmesos.api.context import Counters
from mrmesos.api.job import Job, check_job
from mrmesos.client.access import pickle_key
from mrmesos.conf import Conf
from mrmesos.io.code.code_pickle import dumps
from mrmesos.io.fs.scratch import Scratch
from mrmesos.local.result import JobFailed, Result, module_of
from mrmesos.startup import PATH_LAST
from mrmesos.wire.chain import ChainStatus

__all__ = ["JobFailed", "Result", "SubmitRun", "run"]

Where = str | Path | Sequence[str | Path]

_KILL_SECONDS = 60.0
_LINES_KEPT = 200
_SCRIPT = '''"""A job that was defined in a notebook or a function."""

from pathlib import Path

import cloudpickle

SubmittedJob = cloudpickle.loads(Path(__file__).with_name("job.pickle").read_bytes())
'''


def run(
    job: type[Job] | type[Chain],
    inputs: Where | Mapping[str, Where],
    output: str | Path | None = None,
    *,
    args: Sequence[str] = (),
    conf: Mapping[str, object] | None = None,
    master: str = "",
    jobtracker: str = "",
    local_agents: int | None = None,
    py_files: Sequence[str | Path] = (),
    files: Sequence[str | Path] = (),
    archives: Sequence[str | Path] = (),
    progress: TextIO | None = None,
) -> SubmitRun:
    """Start a job, or a chain, over `inputs`: URIs, or URIs by name if it has several inputs.

    The job runs on this host unless `master` or `jobtracker` names a cluster. Jobs on this host
    need no `output`: the output is then a temporary directory that lives as long as the Result.
    `conf` has the settings of `-D`. `py_files`, `files` and `archives` are those of `mrmesos
    submit`. Progress lines go to `progress` (default `sys.stderr`; `io.StringIO()` hides them).
    Raises JobError if the job class cannot run.
    """
    if issubclass(job, Chain):
        check_chain(job)
    else:
        check_job(job)
    if output is None and (master or jobtracker):
        raise ValueError("name an output that the agents of the cluster can write to")
    scratch = Scratch("mrmesos-run-")
    at = Path(scratch.name) / "output" if output is None else output
    named = inputs if isinstance(inputs, Mapping) else {"": inputs}
    options = {
        "--output": [str(at)],
        "--report": [f"{scratch.name}/report.json"],
        "--input": [
            f"{name}={uri}" if name else str(uri)
            for name, where in named.items()
            for uri in ((where,) if isinstance(where, str | Path) else where)
        ],
        "-D": [f"{name}={_text(value)}" for name, value in (conf or {}).items()],
        "--master": [master] if master else [],
        "--jobtracker": [jobtracker] if jobtracker else [],
        "--py-files": list(map(str, py_files)),
        "--files": list(map(str, files)),
        "--archives": list(map(str, archives)),
        "--local-agents": [] if local_agents is None else [str(local_agents)],
    }
    command = [sys.executable, "-P", "-m", "mrmesos", "submit", "--no-counters"]
    command += [] if master or jobtracker else ["--local"]
    command += _script(job, Path(scratch.name))
    command += [
        word for option, values in options.items() for one in values for word in (option, one)
    ]
    key = pickle_key(jobtracker, Conf({name: _text(value) for name, value in (conf or {}).items()}))
    return SubmitRun(job, [*command, "--", *args], str(at), scratch, progress or sys.stderr, key)


def child_environment() -> dict[str, str]:
    """Our environment, with our `sys.path`. Files beside the caller's script hide no module of
    ours.
    """
    last = [] if sys.flags.safe_path else list(filter(None, sys.path[:1]))
    last += [entry for entry in os.environ.get(PATH_LAST, "").split(os.pathsep) if entry]
    path = os.pathsep.join(filter(None, sys.path))
    return {**os.environ, "PYTHONPATH": path, PATH_LAST: os.pathsep.join(last)}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _script(job: type[Job] | type[Chain], scratch: Path) -> list[str]:
    """The script with the job: its own file, or a new script that unpickles it."""
    module = module_of(job)
    if module is not None and module.__file__:
        return [module.__file__, "--class", job.__name__]
    (scratch / "job.pickle").write_bytes(dumps(job))
    script = scratch / "job.py"
    script.write_text(_SCRIPT, encoding="utf-8")
    return [str(script)]


_running: set[SubmitRun] = set()


@atexit.register
def _kill_all() -> None:
    for each in list(_running):
        each.kill()


class SubmitRun:
    """A running job. It is killed if an error leaves its `with` block, or Python ends."""

    def __init__(
        self,
        job: type[Job] | type[Chain],
        command: list[str],
        output: str,
        scratch: Scratch,
        progress: TextIO,
        pickle_key: str,
    ) -> None:
        self._pickle_key = pickle_key
        self._job, self._output, self._scratch = job, output, scratch
        self._said: deque[str] = deque(maxlen=_LINES_KEPT)
        # Its own process group: an interrupt at the terminal must reach it through `result` only.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
            env=child_environment(),
        )
        _running.add(self)
        self._reader = threading.Thread(target=self._read, args=(progress,), daemon=True)
        self._reader.start()

    def _read(self, progress: TextIO) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._said.append(line)
            with contextlib.suppress(OSError, ValueError):  # closed; the job continues
                progress.write(line)
        self._process.stderr.close()

    def result(self, timeout: float | None = None) -> Result:
        """Wait for the job's end, and return its Result.

        Raises JobFailed; TimeoutError after `timeout` seconds, and the job continues;
        KeyboardInterrupt, after killing the job.
        """
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"the job still runs after {timeout} s") from None
        except KeyboardInterrupt:
            self.kill()
            raise
        self._ended()
        if code:
            raise JobFailed("".join(self._said).strip() or f"mrmesos submit exited with {code}")
        told = Path(self._scratch.name, "report.json").read_bytes()
        if issubclass(self._job, Chain):
            return self._of_chain(self._job, msgspec.json.decode(told, type=ChainStatus))
        report = msgspec.json.decode(told, type=_Status)
        return Result(
            self._job, report.job_id, self._output, report.counters, self._scratch, self._pickle_key
        )

    def _of_chain(self, cls: type[Chain], status: ChainStatus) -> Result:
        """The output of the only step that writes one. If there are several such steps, `steps` has
        the output of each.
        """
        steps = check_chain(cls)
        last = last_steps(steps)
        jobs = {step.name: step.job for step in steps if step.name in last}
        counters = {step.name: step.job.counters for step in status.steps if step.job is not None}
        if len(last) == 1:
            [(name, job)] = jobs.items()
            found = counters.get(name, {})
            return Result(
                job, status.chain_id, self._output, found, self._scratch, self._pickle_key
            )
        whole = Result(None, status.chain_id, self._output, {}, self._scratch)
        whole.steps = {
            name: Result(
                job,
                status.chain_id,
                f"{self._output.rstrip('/')}/{name}",
                counters.get(name, {}),
                self._scratch,
                self._pickle_key,
            )
            for name, job in jobs.items()
        }
        return whole

    def kill(self) -> None:
        """Kill the job and wait until all its processes have ended."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_KILL_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._ended()

    def _ended(self) -> None:
        _running.discard(self)
        self._reader.join(_KILL_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: object, __: TracebackType | None
    ) -> None:
        if kind is not None:
            self.kill()


class _Status(msgspec.Struct):
    """The fields of a report that `Result` uses."""

    job_id: str
    counters: Counters
