"""Makes the JobSpec of a session's job: checks it, finds its inputs, pickles it.

Comes in: a job class or a job, files and earlier results. Goes out: a JobSpec and the code to
upload. Every mistake is a UsageProblem. Thread: the caller's.
"""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mrmesos import conf as settings
from mrmesos.access.identity import current_user
from mrmesos.api.chain import as_step
from mrmesos.api.formats import Source, StepInput, StepOutput, input_data, output_data
from mrmesos.api.job import Job, input_format_of
from mrmesos.client.code.inputs import uris_of
from mrmesos.client.code.job_files import JobFiles
from mrmesos.client.code.load_job import check_formats, cut_points_of, job_settings, make_job
from mrmesos.client.code.load_job import parse_arguments as parsed
from mrmesos.client.code.modules import not_installed
from mrmesos.client.code.pickling import pickle_alone
from mrmesos.client.preflight import check_files
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.conf import Conf
from mrmesos.local.result import Result
from mrmesos.wire.job import JobSpec, running_python
from mrmesos.wire.trace import within_trace

Given = str | Path | Result
Inputs = Given | Sequence[Given]
Arguments = Sequence[str] | Mapping[str, Any] | argparse.Namespace
SMALL_SPLIT_BYTES = 8 << 20
"""In a session, less input than this makes one map: a second one would cost more than it saves."""


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What is the same for all jobs of a session. `key` signs the results that it keeps.

    A job's class overrides the settings of `site` (mrmesos.toml), and `conf` overrides both.
    """

    id: str
    key: str = field(repr=False)
    pickle_key: str = field(repr=False)
    site: Conf
    conf: Conf
    files: JobFiles
    sent: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A job that can be submitted."""

    job: Job
    spec: JobSpec
    code: bytes


def prepare(
    session: SessionFacts,
    given: type[Job] | Job,
    inputs: Inputs | Mapping[str, Inputs],
    output: str,
    conf: Mapping[str, object],
    args: Arguments,
    *,
    kept: bool,
) -> Prepared:
    """Check a job and describe it. `kept`: the session keeps the output, at this URI, for itself.

    Raises UsageProblem.
    """
    cls = given if isinstance(given, type) else type(given)
    place = Path(cls.__module__)
    own = Conf(texts(conf))
    overrides = session.conf.merged(own)
    if getattr(cls, "reducer", None) is None and settings.JOB_REDUCES.name not in own:
        overrides = Conf({n: v for n, v in overrides.items() if n != settings.JOB_REDUCES.name})
    site = Conf({settings.SPLIT_MINSIZE.name: str(SMALL_SPLIT_BYTES)}).merged(session.site)
    settled, num_reducers = job_settings(place, cls, site, {}, overrides)
    job = _made(place, cls, given, args)
    read = _read(cls, inputs)
    as_step(
        job,
        from_steps={name for name, each in read.items() if _from_session(cls, name, each)},
        is_last=not kept,
    )
    sources = tuple(_source(session, job, name, each) for name, each in read.items())
    check_formats(place, job, sources)
    files = [uri for each in sources if not isinstance(each.format, StepInput) for uri in each.uris]
    check_files(files, output, overwrite=settled.get_as(settings.OUTPUT_OVERWRITE))
    cached = session.files.cached
    cut_points_of(place, job, settled, num_reducers, sources, cached, session.pickle_key)
    code = pickle_alone(job, not_installed(session.sent))
    written = StepOutput(session.key) if kept else output_data(job.output_format)
    spec = JobSpec(
        name=settled.get_as(settings.JOB_NAME) or cls.__name__,
        user=current_user(),
        inputs=tuple(uri for source in sources for uri in source.uris),
        output=output,
        input_format=sources[0].format,
        output_format=written,
        num_reducers=num_reducers,
        conf=within_trace(settled, os.environ),
        code=hashlib.sha256(code).hexdigest(),
        sources=sources if job.inputs else (),
        python=running_python(),
        files=session.files.files,
        overridden=tuple(name for name in overrides if name in settled),
        session=session.id,
    )
    return Prepared(job, spec, code)


def _made(place: Path, cls: type[Job], given: type[Job] | Job, args: Arguments) -> Job:
    """The job. A job that was given is copied, because the session changes its formats."""
    if isinstance(given, Job):
        if args:
            raise UsageProblem(f"{cls.__name__} was given as an object, which has its args already")
        copy = cls.__new__(cls)
        vars(copy).update(vars(given))
        return copy
    if isinstance(args, argparse.Namespace):
        return make_job(place, cls, args)
    if isinstance(args, Mapping):
        defaults = vars(parsed(place, cls, ()))
        return make_job(place, cls, argparse.Namespace(**{**defaults, **args}))
    return make_job(place, cls, parsed(place, cls, args))


def _read(cls: type[Job], inputs: Inputs | Mapping[str, Inputs]) -> dict[str, tuple[Given, ...]]:
    """What each input of the job reads."""
    named = inputs if isinstance(inputs, Mapping) else {"": inputs}
    wanted = set(cls.inputs) or {""}
    if set(named) != wanted:
        words = f"a dict with {', '.join(sorted(wanted))}" if cls.inputs else "no dict"
        raise UsageProblem(f"{cls.__name__} has {len(cls.inputs) or 'one'} inputs: give {words}")
    found: dict[str, tuple[Given, ...]] = {}
    for name in cls.inputs or ("",):
        each = named[name]
        several = (each,) if isinstance(each, Given) else tuple(each)
        if not several:
            raise UsageProblem(f"{cls.__name__}: the input {name} is empty; name files or results")
        found[name] = several
    return found


def _from_session(cls: type[Job], name: str, given: Sequence[Given]) -> bool:
    """Whether an input is made of results that a session keeps."""
    kept = [isinstance(each, Result) and each.kept_with != "" for each in given]
    if any(kept) and not all(kept):
        where = f"the input {name} of {cls.__name__}" if name else cls.__name__
        raise UsageProblem(
            f"{where} reads results and files; files have a format and results have none: give "
            "each an input of its own"
        )
    return all(kept)


def _source(session: SessionFacts, job: Job, name: str, given: Sequence[Given]) -> Source:
    fmt = input_data(input_format_of(job, name))
    if isinstance(fmt, StepInput):
        for each in given:
            assert isinstance(each, Result)
            if each.kept_with != session.key:
                raise UsageProblem(
                    f"{each!r} is of another session; write it to an output, and name that"
                )
        fmt = StepInput(session.key)
    uris: list[str] = []
    for each in given:
        uris += [each.uri] if isinstance(each, Result) else uris_of(str(each))
    return Source(name, tuple(uris), fmt)


def texts(conf: Mapping[str, object]) -> dict[str, str]:
    """Settings given as Python values, as text."""
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in conf.items()
    }
