"""Loads an MRJob of a script, as a job or as a chain of its steps. Every mistake is a
UsageProblem.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from mrmesos import conf as settings
from mrmesos.api.chain import as_step
from mrmesos.api.formats import Source, StepInput, input_data
from mrmesos.client.code.auto_reduces import decided, input_bytes
from mrmesos.client.code.inputs import uris_of
from mrmesos.client.code.job_files import JobFiles
from mrmesos.client.code.load_job import check_formats, pickled
from mrmesos.client.code.loading import LoadedChain, LoadedJob, LoadedStep, step_uri
from mrmesos.client.code.modules import needed_beside, unreachable
from mrmesos.client.code.pickling import identity_of
from mrmesos.client.code.script import ImportedScript
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.conf import Conf, ConfError
from mrmesos.mrjob.job import make_step
from mrmesos.mrjob.load import BadMRJob, MRProgram, read_program
from mrmesos.mrjob.task import MRTask, WorkKind
from mrmesos.wire.job import FileKind


def load_mrjob(
    script: ImportedScript,
    cls: Any,
    overrides: Conf,
    job_args: Sequence[str],
    inputs: Sequence[str],
    files: JobFiles | None,
    site: Conf,
) -> LoadedJob | LoadedChain:
    """Check an MRJob, and pickle the job of each step. Raises UsageProblem."""
    try:
        program = read_program(cls, job_args)
    except BadMRJob as problem:
        raise UsageProblem(f"{script.file.name}: {problem}") from None
    for each in program.ignored:
        click.echo(f"warning: {program.name}: {each} has no effect here", err=True)
    if files is not None:
        _send(program, files)
    uris = tuple(uri for given in inputs for uri in uris_of(given))
    loading = _Loading(script, program, site, overrides, uris)
    if len(program.tasks) == 1:
        return loading.job(program.tasks[0])
    steps = tuple(map(loading.step, program.tasks))
    name = overrides.get_as(settings.JOB_NAME) or program.name
    return LoadedChain(name, steps, site.merged(overrides))


def _send(program: MRProgram, files: JobFiles) -> None:
    """Send the program's files, archives and directories."""
    files.add(FileKind.FILE, program.files)
    files.add(FileKind.ARCHIVE, program.archives)
    for text in program.dirs:
        path, _, name = text.partition("#")
        files.add_directory(Path(path), name)


class _Loading:
    """The data that all steps share."""

    def __init__(
        self,
        script: ImportedScript,
        program: MRProgram,
        site: Conf,
        overrides: Conf,
        uris: tuple[str, ...],
    ) -> None:
        self._script, self._program, self._site = script, program, site
        self._overrides, self._uris = overrides, uris
        beside = needed_beside(script.file)
        self._others: Sequence[ModuleType] = unreachable(script.module, script.file.parent, beside)

    def job(self, task: MRTask) -> LoadedJob:
        """The job of a step."""
        program, number = self._program, task.step
        conf = self._site.merged(program.settings[number]).merged(self._overrides)
        if not conf.get(settings.JOB_NAME.name):
            conf = conf.merged({settings.JOB_NAME.name: program.name})
        conf = decided(conf, lambda: input_bytes(self._uris))
        try:
            conf.check()
            reduces = conf.get_as(settings.JOB_REDUCES)
        except ConfError as problem:
            raise UsageProblem(f"{program.name}: {problem}") from None
        if task.reducer.kind is WorkKind.NONE:
            reduces = 0
        job = make_step(task, sort_values=program.sort_values)
        is_last = number == len(program.tasks) - 1
        as_step(job, from_steps={""} if number else set(), is_last=is_last)
        fmt = input_data(job.input_format)
        uris = (step_uri(_name(number - 1)),) if isinstance(fmt, StepInput) else self._uris
        sources = (Source("", uris, fmt),)
        check_formats(self._script.file, job, sources)
        return pickled(self._script, job, conf, reduces, sources)

    def step(self, task: MRTask) -> LoadedStep:
        """A step of the chain."""
        loaded = self.job(task)
        identity = identity_of(loaded.job, self._script, self._others)
        after = (_name(task.step - 1),) if task.step else ()
        is_last = task.step == len(self._program.tasks) - 1
        return LoadedStep(_name(task.step), loaded, identity, after, is_last)


def _name(number: int) -> str:
    return f"step-{number + 1}"
