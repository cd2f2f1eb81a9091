"""Checks a script's chain and pickles the jobs of its steps. Every mistake is a UsageProblem."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import NamedTuple, Protocol

from msgspec.structs import replace
from msgspec.structs import replace as changed

from mrmesos import conf as settings
from mrmesos.api.chain import ArrangedStep, Chain, as_step, check_chain, hooks_of, last_steps
from mrmesos.api.formats import Source, input_data
from mrmesos.api.hooks import AFTER, BEFORE, ONCE, AsTask, HookContext, HookJob, InClient
from mrmesos.api.job import FusedStep, Job, JobError, input_format_of, setting_texts
from mrmesos.api.tasks import TotalOrder
from mrmesos.client.code.auto_reduces import input_bytes
from mrmesos.client.code.fusing import Into, fused_steps, params_of
from mrmesos.client.code.inputs import uris_of
from mrmesos.client.code.load_job import (
    check_formats,
    cut_points_of,
    job_settings,
    make_job,
    parse_arguments,
    pickled,
)
from mrmesos.client.code.loading import (
    NOTHING,
    ClientHook,
    LoadedChain,
    LoadedJob,
    LoadedStep,
    step_uri,
)
from mrmesos.client.code.modules import needed_beside, unreachable
from mrmesos.client.code.pickling import identity_of
from mrmesos.client.code.script import ImportedScript
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.conf import Conf


def load_chain(
    script: ImportedScript,
    cls: type[Chain],
    overrides: Conf,
    job_args: Sequence[str],
    inputs: Sequence[str],
    cached: Callable[[], Mapping[str, Path]],
    site: Conf,
    output: str,
) -> LoadedChain:
    """Check a chain, and pickle the job of each step. Raises UsageProblem."""
    file = script.file
    try:
        steps = check_chain(cls)
    except JobError as problem:
        raise UsageProblem(f"{file.name}: {problem}") from None
    uris = _inputs(cls.__name__, steps, inputs)
    args = parse_arguments(file, cls, job_args)
    packer = _WithScript(script)
    return load_steps(cls, steps, packer, site, overrides, args, uris, cached=cached, output=output)


class Packer(Protocol):
    """Pickles the jobs of steps. `place` is their origin, for errors."""

    place: Path

    def pickled(
        self, job: Job, conf: Conf, num_reducers: int, sources: tuple[Source, ...]
    ) -> LoadedJob:
        """The pickled job. Raises UsageProblem."""

    def identity(self, job: Job) -> str:
        """A hash of the job's code."""


class _WithScript:
    """Pickles jobs of a script. The script travels with them."""

    def __init__(self, script: ImportedScript) -> None:
        self._script, self.place = script, script.file
        beside = needed_beside(script.file)
        self._travelling = unreachable(script.module, script.file.parent, beside)

    def pickled(
        self, job: Job, conf: Conf, num_reducers: int, sources: tuple[Source, ...]
    ) -> LoadedJob:
        return pickled(self._script, job, conf, num_reducers, sources)

    def identity(self, job: Job) -> str:
        return identity_of(job, self._script, self._travelling)


def load_steps(
    cls: type[Chain],
    steps: Sequence[ArrangedStep],
    packer: Packer,
    site: Conf,
    overrides: Conf,
    args: argparse.Namespace,
    uris: Mapping[str, tuple[str, ...]],
    *,
    cached: Callable[[], Mapping[str, Path]],
    output: str,
    typed: Set[str] = frozenset(),
    keep: bool = False,
) -> LoadedChain:
    """Pickle the job of each step. Raises UsageProblem.

    `uris` has the inputs by name. The inputs in `typed` have the format of steps. With `keep`, the
    last steps write that format, too.
    """
    loading = _Loading(packer, cls, site, overrides, args, uris, last_steps(steps), cached)
    loading.typed, loading.keep = typed, keep
    conf = site.merged(setting_texts(cls.conf)).merged(overrides)
    name = conf.get_as(settings.JOB_NAME) or cls.__name__
    settled = {step.name: loading.settings(step) for step in steps}
    confs = {step: each for step, (each, _) in settled.items()}
    loading.fused = fused_steps(steps, confs)
    loaded = [each for step in steps for each in loading.step(step, *settled[step.name])]
    given = HookContext(cls.__name__, args, uris, output)
    hooks = {name: hook for name, hook in hooks_of(cls).items() if isinstance(hook, InClient)}
    return LoadedChain(
        name,
        tuple(loading.with_hooks(loaded, given)),
        conf,
        {name: loading.client_hook(hook, given) for name, hook in hooks.items()},
    )


def from_files(steps: Sequence[ArrangedStep]) -> dict[str, str]:
    """The names of the inputs that are no steps, each with one step that reads it."""
    names = {step.name for step in steps}
    return {
        each: step.name
        for step in reversed(steps)
        for read in step.reads.values()
        for each in read
        if each not in names
    }


def _inputs(
    chain: str, steps: Sequence[ArrangedStep], given: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """The URIs of each input that is no step, by name."""
    names, wanted = {step.name for step in steps}, from_files(steps)
    found: dict[str, list[str]] = {name: [] for name in wanted}
    for text in given:
        name, equals, uri = text.partition("=")
        if equals and name in found and name and uri:
            found[name] += uris_of(uri)
        elif "" in found:
            found[""] += uris_of(text)
        else:
            known = ", ".join(sorted(found))
            raise UsageProblem(f"--input {text}: no step of {chain} reads it; they read {known}")
    for name, uris in found.items():
        if not uris and name:
            raise UsageProblem(
                f"{chain}: step {wanted[name]} reads {name!r}, which is neither a step "
                f"({', '.join(sorted(names))}) nor given by --input {name}=URI"
            )
        if not uris:
            raise UsageProblem(f"{chain}: step {wanted[name]} needs --input URI")
    return {name: tuple(uris) for name, uris in found.items()}


class _Before(NamedTuple):
    """A fused step, the steps that are fused into it, and the input of the first of them."""

    step: FusedStep
    steps: tuple[FusedStep, ...]
    source: Source
    after: tuple[str, ...]


class _Loading:
    """The data that all steps of a chain share."""

    def __init__(
        self,
        packer: Packer,
        chain: type[Chain],
        site: Conf,
        overrides: Conf,
        args: argparse.Namespace,
        uris: Mapping[str, tuple[str, ...]],
        last: Set[str],
        cached: Callable[[], Mapping[str, Path]],
    ) -> None:
        self._packer, self._place, self._chain = packer, packer.place, chain
        self._site, self._overrides = site, overrides
        self._args, self._uris, self._last = args, uris, last
        self._cached = cached
        self.typed: Set[str] = frozenset()
        self.keep = False
        self.fused: Mapping[str, Into] = {}
        self._before: dict[Into, _Before] = {}

    def settings(self, step: ArrangedStep) -> tuple[Conf, int]:
        """The settings of a step, and the number of its reduces."""
        file, cls = self._place, step.job
        # A step without a reducer has no reduces, whatever the settings of other steps say.
        own = self._overrides if cls.reducer else self._overrides.without(settings.JOB_REDUCES)
        return job_settings(file, cls, self._site, self._chain.conf, own, self._size)

    def _size(self) -> int:
        """The bytes of all files that the chain reads. The size of its steps' outputs is not known
        yet.
        """
        files = self._uris.keys() - self.typed
        return input_bytes(uri for name in files for uri in self._uris[name])

    def step(self, step: ArrangedStep, conf: Conf, num_reducers: int) -> list[LoadedStep]:
        """Load a step. If it needs cut points, also load the step before it that finds them.
        Returns an empty list if the step has no job of its own. Between steps, records have the
        format of steps. The steps that it reads have been loaded before.
        """
        place, cls, is_last = self._place, step.job, step.name in self._last
        job = make_job(place, cls, self._args)
        as_step(job, from_steps=self._from_steps(step), is_last=is_last and not self.keep)
        sources = tuple(self._source(job, name, names) for name, names in step.reads.items())
        check_formats(place, job, sources)
        before = {
            name: each for (reader, name), each in self._before.items() if reader == step.name
        }
        after = tuple(
            dict.fromkeys(
                name
                for own in step.after
                for name in next((e.after for e in before.values() if e.step.name == own), (own,))
            )
        )
        if (into := self.fused.get(step.name)) is not None:
            earlier = before[""].steps if before else ()
            source = before[""].source if before else sources[0]
            fused = FusedStep(step.name, job, params_of(conf))
            self._before[into] = _Before(fused, (*earlier, fused), source, after)
            return []
        job.fused = {name: each.steps for name, each in before.items()}
        sources = tuple(
            changed(before[each.name].source, name=each.name) if each.name in before else each
            for each in sources
        )
        sampling = num_reducers > 1 and issubclass(cls.partitioner, TotalOrder)
        if sampling and cls.partitioner.cut_points is not None:  # type: ignore[union-attr]
            sampling = False
            cut_points_of(place, job, conf, num_reducers, (), self._cached, "")
        loaded = self._packer.pickled(job, conf, num_reducers, sources)
        identity = self._packer.identity(job)
        names = tuple(one.name for each in before.values() for one in each.steps)
        whole = LoadedStep(step.name, loaded, identity, after, is_last, names)
        return with_sampling(whole) if sampling else [whole]

    def with_hooks(self, steps: Sequence[LoadedStep], given: HookContext) -> Iterator[LoadedStep]:
        """The steps, and the steps that call the hooks: one before all others, and one after
        them.
        """
        hooks = hooks_of(self._chain)
        first, last = hooks.get(BEFORE), hooks.get(AFTER)
        if isinstance(first, AsTask):
            yield self._hook(BEFORE, first, given, ())
            steps = [replace(each, after=each.after or (BEFORE,)) for each in steps]
        yield from steps
        if isinstance(last, AsTask):
            yield self._hook(AFTER, last, given, tuple(each.name for each in steps))

    def _hook(
        self, name: str, hook: AsTask, given: HookContext, after: tuple[str, ...]
    ) -> LoadedStep:
        job, file = HookJob.of(hook, given), self._place
        defaults = {**self._chain.conf, **ONCE, **hook.conf}
        conf, _ = job_settings(
            file, HookJob, self._site, defaults, self._overrides.without(settings.JOB_REDUCES), int
        )
        sources = (Source("", (NOTHING,), input_data(HookJob.input_format)),)
        loaded = self._packer.pickled(job, conf, 0, sources)
        return LoadedStep(name, loaded, self._packer.identity(job), after, is_last=False)

    def client_hook(self, hook: InClient, given: HookContext) -> ClientHook:
        """A hook that runs in this process."""
        return ClientHook(hook.function, given, self._packer.identity(HookJob.of(hook, given)))

    def _from_steps(self, step: ArrangedStep) -> set[str]:
        """The inputs of a step that have the format of steps."""
        files = self._uris.keys() - self.typed
        return {name for name, names in step.reads.items() if not files & set(names)}

    def _source(self, job: Job, name: str, names: Sequence[str]) -> Source:
        fmt = input_data(input_format_of(job, name))
        uris = [self._uris.get(each, (step_uri(each),)) for each in names]
        return Source(name, tuple(uri for each in uris for uri in each), fmt)


def with_sampling(step: LoadedStep) -> list[LoadedStep]:
    """A step that finds cut points, and the step that needs them."""
    loaded, name = step.loaded, f"{step.name}.sample"
    number = f"{step.identity} {loaded.num_reducers}"
    sample = replace(
        step,
        name=name,
        identity=hashlib.sha256(number.encode()).hexdigest(),
        is_last=False,
        fused=(),
        samples=True,
    )
    return [sample, replace(step, after=(*step.after, name), cut_points=name)]
