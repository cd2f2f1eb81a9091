"""Makes the ChainSpec of a session's chain, and the results of its last steps.

Comes in: a chain class, files and earlier results. Goes out: a ChainSpec with the code to upload,
and results. Every mistake is a UsageProblem. Thread: the caller's.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

import msgspec
from msgspec.structs import replace

from mrmesos import conf as settings
from mrmesos.api.chain import ArrangedStep, Chain, check_chain, last_steps
from mrmesos.api.formats import Source
from mrmesos.api.job import Job, JobError
from mrmesos.client.chain_spec import make_chain_spec, read_files
from mrmesos.client.code.load_chain import from_files, load_steps
from mrmesos.client.code.loading import LoadedChain, LoadedJob
from mrmesos.client.code.modules import not_installed
from mrmesos.client.code.pickling import pickle_alone
from mrmesos.client.code.target import Target
from mrmesos.client.options import Options
from mrmesos.client.preflight import check_chain_files
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.conf import Conf
from mrmesos.local.result import KeptResult, Result
from mrmesos.local.session_job import (
    Arguments,
    Inputs,
    SessionFacts,
    as_sequence,
    from_session,
    parsed_arguments,
    site_of,
    texts,
    uris_of_all,
)
from mrmesos.wire.chain import ChainSpec, ChainStatus

_NO_IDENTITY = "0" * 64  # a session does not resume


class PreparedChain(msgspec.Struct, frozen=True):
    """A chain that can be submitted."""

    steps: tuple[ArrangedStep, ...]
    loaded: LoadedChain
    spec: ChainSpec


class _Alone:
    """Pickles the jobs of steps without a script, as a session pickles jobs."""

    def __init__(self, cls: type[Chain], sent: Sequence[Path]) -> None:
        self.place = Path(cls.__module__)
        self._modules: Sequence[ModuleType] = not_installed(sent)

    def pickled(
        self, job: Job, conf: Conf, num_reducers: int, sources: tuple[Source, ...]
    ) -> LoadedJob:
        code = pickle_alone(job, self._modules)
        name = conf.get_as(settings.JOB_NAME) or type(job).__name__
        return LoadedJob(name, job, conf, num_reducers, code, sources)

    def identity(self, job: Job) -> str:  # noqa: ARG002
        return _NO_IDENTITY


def prepare_chain(
    session: SessionFacts,
    cls: type[Chain],
    inputs: Inputs | Mapping[str, Inputs],
    output: str,
    conf: Mapping[str, object],
    args: Arguments,
    *,
    kept: bool,
) -> PreparedChain:
    """Check a chain and describe it. `kept`: the session keeps the output for itself, at this URI.

    Raises UsageProblem.
    """
    try:
        steps = check_chain(cls)
    except JobError as problem:
        raise UsageProblem(str(problem)) from None
    overrides, site = session.conf.merged(Conf(texts(conf))), site_of(session)
    packer = _Alone(cls, session.sent)
    named = inputs if isinstance(inputs, Mapping) else {"": inputs}
    wanted = from_files(steps)
    if set(named) != set(wanted):
        words = ", ".join(map(repr, wanted)) or "no input"
        raise UsageProblem(f"{cls.__name__} reads {words}: give a dict with these names")
    given = {name: as_sequence(cls.__name__, name, each) for name, each in named.items()}
    loaded = load_steps(
        cls,
        steps,
        packer,
        site,
        overrides,
        parsed_arguments(packer.place, cls, args),
        {name: uris_of_all(session, each) for name, each in given.items()},
        cached=session.files.cached,
        output=output,
        typed={name for name, each in given.items() if from_session(cls.__name__, name, each)},
        keep=kept,
    )
    target = Target(packer.place, cls.__name__)
    options = Options(
        target, (), output, overrides, "", "", False, 0, None, False, (), site=site
    )  # fmt: skip
    spec = make_chain_spec(options, loaded, session.files.files, session.key)
    ours = (replace(each, job=replace(each.job, session=session.id)) for each in spec.steps)
    spec = replace(spec, steps=tuple(ours))
    check_chain_files(read_files(loaded), spec)
    return PreparedChain(steps, loaded, spec)


def results_of(
    ready: PreparedChain,
    status: ChainStatus,
    session: SessionFacts,
    ended: threading.Event | None,
) -> dict[str, Result]:
    """The results of the last steps, by name. With `ended`, the session keeps them for itself."""
    last = last_steps(ready.steps)
    places = {step.name: step.job.output for step in ready.spec.steps}
    counters = {step.name: step.job.counters for step in status.steps if step.job is not None}
    found: dict[str, Result] = {}
    for step in ready.steps:
        if (name := step.name) not in last:
            continue
        facts = step.job, status.chain_id, places[name], counters.get(name, {})
        if ended is None:
            found[name] = Result(*facts, None, session.pickle_key)
        else:
            found[name] = KeptResult(*facts, session.key, ended)
    return found


def as_one(ready: PreparedChain, status: ChainStatus, found: dict[str, Result]) -> Result:
    """The only result. If there are several, a result that has them by the names of their steps."""
    if len(found) == 1:
        return next(iter(found.values()))
    whole = Result(None, status.chain_id, ready.spec.output, {})
    whole.steps = found
    return whole
