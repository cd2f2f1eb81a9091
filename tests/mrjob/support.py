"""Runs a script's MRJob in this process, step by step, and by mrjob itself."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from msgspec.structs import replace

from mrmesos.client.code.job_files import JobFiles
from mrmesos.client.code.loading import LoadedJob, load_target, step_uri
from mrmesos.client.code.target import parse_target
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
    script: Path, inputs: Sequence[Path], *words: str, name: str = "", runner: str = "inline"
) -> list[bytes]:
    """The sorted lines that mrjob's own runner gives, in this process."""
    spec = importlib.util.spec_from_file_location(f"{script.stem}_by_mrjob", script)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    cls = getattr(module, name) if name else _job_class(module)
    # The local runner starts a process for each task, and compiles a copy of mrjob in each.
    one = "-D mapreduce.job.maps=1 -D mapreduce.job.reduces=1 --no-bootstrap-mrjob --num-cores 1"
    few = one.split() if runner == "local" else ()
    job = cls(["-r", runner, "-q", "--no-conf", *few, *words, *map(str, inputs)])
    with job.make_runner() as made:
        made.run()
        return sorted(b"".join(made.cat_output()).splitlines())


def _job_class(module: ModuleType) -> Any:
    from mrjob.job import MRJob  # a test without mrjob skips before

    own = [each for each in vars(module).values() if isinstance(each, type)]
    (found,) = [
        each for each in own if issubclass(each, MRJob) and each.__module__ == module.__name__
    ]
    return found
