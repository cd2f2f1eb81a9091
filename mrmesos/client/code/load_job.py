"""Checks a script's job and pickles it. Every mistake is a UsageProblem."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from mrmesos import conf as settings
from mrmesos.api.chain import Chain
from mrmesos.api.formats import Source, output_data
from mrmesos.api.job import Job, JobError, check_job, class_settings, setting_texts
from mrmesos.api.tasks import TotalOrder
from mrmesos.client.code.auto_reduces import decided, input_bytes
from mrmesos.client.code.inputs import sources_of
from mrmesos.client.code.loading import LoadedJob
from mrmesos.client.code.modules import needed_beside, unreachable, zipped
from mrmesos.client.code.pickling import pickle_job
from mrmesos.client.code.script import ImportedScript, script_problem
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.conf import Conf, ConfError

Defaults = Mapping[str, str | int | float | bool]


def load_job(
    script: ImportedScript,
    cls: type[Job],
    overrides: Conf,
    job_args: Sequence[str],
    inputs: Sequence[str],
    cached: Callable[[], Mapping[str, Path]],
    pickle_key: str,
    site: Conf,
) -> LoadedJob:
    """Check and pickle a job. Raises UsageProblem."""
    file = script.file
    conf, num_reducers = job_settings(
        file,
        cls,
        site,
        {},
        overrides,
        lambda: input_bytes(uri for each in sources_of(cls, inputs) for uri in each.uris),
    )
    job = make_job(file, cls, parse_arguments(file, cls, job_args))
    sources = sources_of(cls, inputs) if inputs else ()
    check_formats(file, job, sources)
    if sources:
        cut_points_of(file, job, conf, num_reducers, sources, cached, pickle_key)
    return pickled(script, job, conf, num_reducers, sources)


def job_settings(
    file: Path,
    cls: type[Job],
    site: Conf,
    defaults: Defaults,
    overrides: Conf,
    size: Callable[[], int],
) -> tuple[Conf, int]:
    """Check the class. Returns its settings and the number of its reduces. Raises UsageProblem.

    `size` returns the bytes of its input, for `job.reduces=auto`. The settings, the weakest first:
    `site` (mrmesos.toml), `defaults` (the chain's), the class's, `overrides`.
    """
    try:
        check_job(cls)
    except JobError as problem:
        raise UsageProblem(f"{file.name}: {problem}") from None
    own = {**setting_texts(defaults), **class_settings(cls)}
    try:
        for warning in Conf(own).check(f"{file.name}: {cls.__name__}.conf"):
            click.echo(f"warning: {warning}", err=True)
    except ConfError as problem:
        raise UsageProblem(str(problem)) from None
    if cls.reducer is None:  # the number of reduces in a file does not concern jobs without reduces
        site = site.without(settings.JOB_REDUCES)
    conf = site.merged(own).merged(overrides)
    conf = decided(conf, size if cls.reducer is not None else None)
    num_reducers = _num_reducers(cls, conf)
    _check_outputs(cls, conf)
    return conf, num_reducers


def make_job(file: Path, cls: type[Job], args: argparse.Namespace) -> Job:
    """Make the job. Raises UsageProblem with the traceback of the script's error."""
    try:
        return cls(args)
    except UsageProblem:
        raise
    except Exception as problem:
        raise script_problem(file, problem) from problem


def pickled(
    script: ImportedScript,
    job: Job,
    conf: Conf,
    num_reducers: int,
    sources: tuple[Source, ...],
) -> LoadedJob:
    """Pickle the job with its script. Raises UsageProblem."""
    beside = needed_beside(script.file)
    others = unreachable(script.module, script.file.parent, beside)
    code = pickle_job(job, script, others, beside.values())
    name = conf.get_as(settings.JOB_NAME) or type(job).__name__
    return LoadedJob(name, job, conf, num_reducers, code, sources, zipped(beside))


def _check_outputs(cls: type[Job], conf: Conf) -> None:
    most = conf.get_as(settings.JOB_OUTPUTS_MAX)
    if len(cls.outputs) > most:
        raise UsageProblem(
            f"{cls.__name__}.outputs names {len(cls.outputs)} outputs, over {most}: raise "
            f"-D {settings.JOB_OUTPUTS_MAX.name} (each takes some MiB of a task's memory), or "
            "use fewer outputs and put the difference into the key"
        )


def check_formats(script: Path, job: Job, sources: Sequence[Source]) -> None:
    """Raise UsageProblem if a field of a format is wrong."""
    from mrmesos.io.fs.filesystem import InputError, OutputError
    from mrmesos.io.input.formats.registry import check_input
    from mrmesos.io.output.registry import check_output

    try:
        for source in sources:
            check_input(source.format)
        for fmt in (job.output_format, *job.outputs.values()):
            check_output(output_data(fmt))
            if getattr(fmt, "schema", None):  # pyarrow takes time to import
                from mrmesos.io.output.declared import check_declared

                check_declared(output_data(fmt))
    except (InputError, OutputError) as problem:
        raise UsageProblem(f"{script.name}: {type(job).__name__}: {problem}") from None


def cut_points_of(
    script: Path,
    job: Job,
    conf: Conf,
    num_reducers: int,
    sources: Sequence[Source],
    cached: Callable[[], Mapping[str, Path]],
    pickle_key: str,
) -> None:
    """Find the cut points of a job with TotalOrder. Raises UsageProblem."""
    if num_reducers < 2 or not issubclass(job.partitioner, TotalOrder):
        return
    from mrmesos.io.columns.schema import RecordTypeError
    from mrmesos.io.fs.filesystem import InputError
    from mrmesos.task.drivers.user_code import TaskError
    from mrmesos.task.sampling import find_cut_points

    try:
        job.cut_points = find_cut_points(
            job, sources, conf, num_reducers, cached(), pickle_key=pickle_key
        )
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


def parse_arguments(
    file: Path, cls: type[Job] | type[Chain], job_args: Sequence[str]
) -> argparse.Namespace:
    """Parse the arguments after `--`. Raises UsageProblem."""
    try:
        return _parsed(file.name, cls, job_args)
    except UsageProblem:
        raise
    except Exception as problem:
        raise script_problem(file, problem) from problem


def _parsed(
    script: str, cls: type[Job] | type[Chain], job_args: Sequence[str]
) -> argparse.Namespace:
    parser: Any = _Parser(prog=script, description=inspect.getdoc(cls))
    cls.add_arguments(parser)
    parsed: argparse.Namespace = parser.parse_args(list(job_args))
    return parsed
