"""Runs a script's MRJob in this process, step by step, and by mrjob itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from mrmesos.client.code.job_files import JobFiles
from mrmesos.client.code.loading import LoadedJob, load_target, parse_target, step_uri
from mrmesos.conf import Conf
from mrmesos.local.one_job import JobResult, run_tasks


def native(
    script: Path,
    inputs: Sequence[Path],
    scratch: Path,
    *words: str,
    name: str = "",
    maps: int = 1,
    reduces: int = 2,
) -> JobResult:
    """The result of the last step."""
    files = JobFiles()
    try:
        loaded = load_target(
            parse_target(str(script), name),
            Conf({"job.maps": str(maps), "job.reduces": str(reduces)}),
            words,
            [str(path) for path in inputs],
            files=files,
        )
        steps = [("", loaded)] if isinstance(loaded, LoadedJob) else [
            (step.name, step.loaded) for step in loaded.steps
        ]  # fmt: skip
        outputs: dict[str, str] = {}
        for step, job in steps:
            place = scratch / (step or "job")
            place.mkdir(parents=True)
            sources = [
                replace(each, uris=tuple(outputs.get(uri, uri) for uri in each.uris))
                for each in job.sources
            ]
            conf = job.conf.merged({"job.reduces": str(job.num_reducers)})
            result = run_tasks(job.job, conf, place, sources, files.cached())
            outputs[step_uri(step)] = f"{place}/output"
        return result
    finally:
        files.close()


def lines_of(result: JobResult) -> list[bytes]:
    """The sorted lines of all part files."""
    return sorted(b"".join(data for _, data in sorted(result.files.items())).splitlines())


def by_mrjob(
    script: Path, inputs: Sequence[Path], *words: str, runner: str = "inline"
) -> list[bytes]:
    """The sorted lines that mrjob's own runner gives."""
    command = [sys.executable, str(script), "-r", runner, "-q", "--no-conf", *words]
    done = subprocess.run([*command, *map(str, inputs)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return sorted(done.stdout.splitlines())
