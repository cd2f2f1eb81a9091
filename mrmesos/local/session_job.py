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

import msgspec

from mrmesos import conf as settings
from mrmesos.access.identity import current_user
from mrmesos.api.chain import Chain, as_step
from mrmesos.api.formats import Source, StepInput, StepOutput, input_data, output_data
from mrmesos.api.job import Job, input_format_of
from mrmesos.client.code.auto_reduces import input_bytes
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
"""In a session, less input than this makes one map, because a second map would cost more than it
saves.
"""


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """The data that all jobs of a session share. `key` signs the results that the session keeps.

    A job's class overrides the settings of `site` (mrmesos.toml), and `conf` overrides both.
    """

    id: str
    key: str = field(repr=False)
    pickle_key: str = field(repr=False)
    site: Conf
    conf: Conf
    files: JobFiles
    sent: tuple[Path, ...]


class Prepared(msgspec.Struct, frozen=True):
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
    """Check a job and describe it. `kept`: the session keeps the output for itself, at this URI.

    Raises UsageProblem.
    """
    cls = given if isinstance(given, type) else type(given)
    place = Path(cls.__module__)
    own = Conf(texts(conf))
    overrides = session.conf.merged(own)
    if getattr(cls, "reducer", None) is None and settings.JOB_REDUCES.name not in own:
        overrides = overrides.without(settings.JOB_REDUCES)
    settled, num_reducers = job_settings(
        place, cls, site_of(session), {}, overrides, lambda: _size(cls, inputs)
    )
    job = _made(place, cls, given, args)
    read = _read(cls, inputs)
    as_step(
        job,
        from_steps={n for n, each in read.items() if from_session(cls.__name__, n, each)},
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
    return make_job(place, cls, parsed_arguments(place, cls, args))


def parsed_arguments(
    place: Path, cls: type[Job] | type[Chain], args: Arguments
) -> argparse.Namespace:
    """The arguments of a job or a chain. Raises UsageProblem."""
    if isinstance(args, argparse.Namespace):
        return args
    if isinstance(args, Mapping):
        return argparse.Namespace(**{**vars(parsed(place, cls, ())), **args})
    return parsed(place, cls, args)


def site_of(session: SessionFacts) -> Conf:
    """The settings that a job's class overrides."""
    return Conf({settings.SPLIT_MINSIZE.name: str(SMALL_SPLIT_BYTES)}).merged(session.site)


def _read(cls: type[Job], inputs: Inputs | Mapping[str, Inputs]) -> dict[str, tuple[Given, ...]]:
    """The files or results that each input of the job reads."""
    named = inputs if isinstance(inputs, Mapping) else {"": inputs}
    wanted = set(cls.inputs) or {""}
    if set(named) != wanted:
        words = f"a dict with {', '.join(sorted(wanted))}" if cls.inputs else "no dict"
        raise UsageProblem(f"{cls.__name__} has {len(cls.inputs) or 'one'} inputs: give {words}")
    found: dict[str, tuple[Given, ...]] = {}
    for name in cls.inputs or ("",):
        found[name] = as_sequence(cls.__name__, name, named[name])
    return found


def _size(cls: type[Job], inputs: Inputs | Mapping[str, Inputs]) -> int:
    """The bytes of all files that the job reads. Results that a session keeps do not count."""
    uris: list[str] = []
    for each in (given for several in _read(cls, inputs).values() for given in several):
        if not isinstance(each, Result):
            uris += uris_of(str(each))
        elif not each.kept_with:
            uris.append(each.uri)
    return input_bytes(uris)


def as_sequence(of: str, name: str, given: Inputs) -> tuple[Given, ...]:
    """The files or results that an input reads, at least one. Raises UsageProblem."""
    several = (given,) if isinstance(given, Given) else tuple(given)
    if not several:
        raise UsageProblem(f"{of}: the input {name} is empty; name files or results")
    return several


def from_session(of: str, name: str, given: Sequence[Given]) -> bool:
    """Whether an input is made of results that a session keeps. Raises UsageProblem."""
    kept = [isinstance(each, Result) and each.kept_with != "" for each in given]
    if any(kept) and not all(kept):
        where = f"the input {name} of {of}" if name else of
        raise UsageProblem(
            f"{where} reads results and files; files have a format and results have none: give "
            "each an input of its own"
        )
    return all(kept)


def _source(session: SessionFacts, job: Job, name: str, given: Sequence[Given]) -> Source:
    fmt = input_data(input_format_of(job, name))
    uris = uris_of_all(session, given)
    return Source(name, uris, StepInput(session.key) if isinstance(fmt, StepInput) else fmt)


def uris_of_all(session: SessionFacts, given: Sequence[Given]) -> tuple[str, ...]:
    """The URIs of files and results. Raises UsageProblem for results of other sessions."""
    uris: list[str] = []
    for each in given:
        if isinstance(each, Result) and each.kept_with not in ("", session.key):
            raise UsageProblem(
                f"{each!r} is of another session; write it to an output, and name that"
            )
        uris += [each.uri] if isinstance(each, Result) else uris_of(str(each))
    return tuple(uris)


def texts(conf: Mapping[str, object]) -> dict[str, str]:
    """Settings given as Python values, as text."""
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in conf.items()
    }
