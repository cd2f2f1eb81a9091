"""Loads a script, checks its job and pickles it. Every mistake is a UsageProblem."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from mrmesos import conf as settings
from mrmesos.api.formats import Source, output_data
from mrmesos.api.job import Job, JobError, check_job, class_settings
from mrmesos.api.tasks import TotalOrder
from mrmesos.client.code.inputs import sources_of
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.conf import Conf, ConfError


@dataclass(frozen=True, slots=True)
class Target:
    """A script and the name of the job's class in it; empty: the script's only job."""

    script: Path
    class_name: str


@dataclass(frozen=True, slots=True)
class LoadedJob:
    """A checked job, its settings (those of the class, then those of `-D`) and its pickle.

    `modules` is a zip file of the modules beside the script that the job needs; it may be empty.
    """

    name: str
    job: Job
    conf: Conf
    num_reducers: int
    code: bytes
    sources: tuple[Source, ...] = ()
    modules: bytes = b""


def parse_target(text: str, class_name: str | None = None) -> Target:
    """Split `job.py` or `job.py:Name`. Raises UsageProblem if there is no such script."""
    path, colon, name = text.rpartition(":")
    if not colon or not name.isidentifier() or Path(text).exists():
        path, name = text, ""
    if name and class_name and name != class_name:
        raise UsageProblem(f"{text} and --class {class_name} name different classes")
    script = Path(path)
    if script.is_dir():
        raise UsageProblem(f"{path} is a directory; name the Python file of the job")
    if not script.is_file():
        raise UsageProblem(f"{path}: no such script")
    return Target(script.resolve(), class_name or name)


def load(
    target: Target,
    overrides: Conf,
    job_args: Sequence[str],
    inputs: Sequence[str] = (),
    *,
    cached: Callable[[], Mapping[str, Path]] = dict,
) -> LoadedJob:
    """Import the script, find and check its job, and pickle it. Raises UsageProblem.

    A job with TotalOrder samples `inputs` first to find its cut points. `cached` returns the files
    that the mapper may ask for.
    """
    from mrmesos.client.code.modules import needed_beside, unreachable, zipped
    from mrmesos.client.code.pickling import pickle_job
    from mrmesos.client.code.script import ImportedScript, script_problem

    script = ImportedScript(target.script)
    module = script.module
    cls = _find_class(module, target)
    try:
        check_job(cls)
    except JobError as problem:
        raise UsageProblem(f"{target.script.name}: {problem}") from None
    conf = Conf(class_settings(cls)).merged(overrides)
    num_reducers = _num_reducers(cls, conf)
    _check_outputs(cls, conf)
    try:
        args = _parse_arguments(cls, target.script.name, job_args)
        job = cls(args)
    except UsageProblem:
        raise
    except Exception as problem:
        raise script_problem(target.script, problem) from problem
    sources = sources_of(cls, inputs) if inputs else ()
    _check_formats(target.script, cls, sources)
    if sources and num_reducers > 1 and issubclass(cls.partitioner, TotalOrder):
        job.cut_points = _find_cut_points(target.script, job, conf, num_reducers, sources, cached())
    beside = needed_beside(target.script)
    others = unreachable(module, target.script.parent, beside)
    code = pickle_job(job, script, others, beside.values())
    name = conf.get_as(settings.JOB_NAME) or cls.__name__
    return LoadedJob(name, job, conf, num_reducers, code, sources, zipped(beside))


def _check_outputs(cls: type[Job], conf: Conf) -> None:
    most = conf.get_as(settings.JOB_OUTPUTS_MAX)
    if len(cls.outputs) > most:
        raise UsageProblem(
            f"{cls.__name__}.outputs names {len(cls.outputs)} outputs, over {most}: raise "
            f"-D {settings.JOB_OUTPUTS_MAX.name} (each takes some MiB of a task's memory), or "
            "use fewer outputs and put the difference into the key"
        )


def _check_formats(script: Path, cls: type[Job], sources: Sequence[Source]) -> None:
    from mrmesos.io.fs.filesystem import InputError, OutputError
    from mrmesos.io.input.formats.registry import check_input
    from mrmesos.io.output.registry import check_output

    try:
        for source in sources:
            check_input(source.format)
        for fmt in (cls.output_format, *cls.outputs.values()):
            check_output(output_data(fmt))
    except (InputError, OutputError) as problem:
        raise UsageProblem(f"{script.name}: {cls.__name__}: {problem}") from None


def _find_cut_points(
    script: Path,
    job: Job,
    conf: Conf,
    num_reducers: int,
    sources: Sequence[Source],
    cached: Mapping[str, Path],
) -> Any:
    from mrmesos.io.columns.schema import RecordTypeError
    from mrmesos.io.fs.filesystem import InputError
    from mrmesos.task.drivers.user_code import TaskError
    from mrmesos.task.sampling import find_cut_points

    try:
        return find_cut_points(job, sources, conf, num_reducers, cached)
    except (InputError, JobError, RecordTypeError) as problem:
        raise UsageProblem(str(problem)) from problem
    except TaskError as problem:
        met, error = problem.__cause__, problem.error
        if met is not None and not isinstance(
            met, Exception | SystemExit
        ):  # a signal, or another BaseException
            raise met from None
        lines = [
            *(
                f"  {name}: {text}"
                for name, text in (("where", error.where), ("record", error.record))
                if text
            ),
            error.detail,
        ]
        message = f"{script.name}: sampling keys for {job.partitioner.__name__}: {error.message}"
        raise UsageProblem(message, "\n".join(lines)) from problem


def _find_class(module: ModuleType, target: Target) -> type[Job]:
    found = {
        name: value
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, Job) and value is not Job
    }
    script = target.script.name
    if target.class_name:
        wanted = getattr(module, target.class_name, None)
        if wanted is None:
            known = f" (it has {', '.join(sorted(found))})" if found else ""
            raise UsageProblem(f"{script} has no class {target.class_name}{known}")
        if not (inspect.isclass(wanted) and issubclass(wanted, Job)):
            raise UsageProblem(f"{target.class_name} in {script} is not a subclass of Job")
        return wanted
    own = {name: cls for name, cls in found.items() if cls.__module__ == module.__name__}
    candidates = own or found
    if not candidates:
        raise UsageProblem(f"{script} defines no subclass of mrmesos.api.Job")
    if len(set(candidates.values())) > 1:
        names = sorted(candidates)
        raise UsageProblem(
            f"{script} defines several jobs: {', '.join(names)}; "
            f"name one: --class {names[0]} or {script}:{names[0]}"
        )
    return next(iter(candidates.values()))


def _num_reducers(cls: type[Job], conf: Conf) -> int:
    """The number of reduces: 0 without a reducer, or if the job asks for 0."""
    try:
        conf.check()
        asked = conf.get_as(settings.JOB_REDUCES)
    except ConfError as problem:
        raise UsageProblem(str(problem)) from None
    if cls.reducer is not None:
        return asked
    if settings.JOB_REDUCES.name in conf and asked > 0:
        raise UsageProblem(
            f"{cls.__name__} has no reducer, so {settings.JOB_REDUCES.name}={asked} has no "
            "effect; `reducer = Reducer` sorts and writes the records of the maps"
        )
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageProblem(f"{self.prog}: {message} (the job's own arguments: -- --help)")


def _parse_arguments(cls: type[Job], script: str, job_args: Sequence[str]) -> argparse.Namespace:
    parser: Any = _Parser(prog=script, description=inspect.getdoc(cls))
    cls.add_arguments(parser)
    parsed: argparse.Namespace = parser.parse_args(list(job_args))
    return parsed
