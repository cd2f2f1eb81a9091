"""Runs a chain in this process, one step after another. It writes the same files as a cluster."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from mrmesos.api.chain import ArrangedStep, Chain, as_step, check_chain, hooks_of, last_steps
from mrmesos.api.context import Counters
from mrmesos.api.formats import Source, StepInput, input_data
from mrmesos.api.hooks import AFTER, BEFORE, HookContext
from mrmesos.api.job import FusedStep, JobError, input_format_of, setting_texts
from mrmesos.client.code.fusing import Into, fused_steps, params_of
from mrmesos.conf import CHAIN_FUSE, Conf
from mrmesos.local.one_job import Inputs, JobResult, materialise, run_tasks, settings_of

Given = tuple[Mapping[str, object], int | None, int | None]
"""Settings, `splits` and `num_reducers`, as in run_job."""


class ChainResult(msgspec.Struct, frozen=True):
    """The results of all steps by name. `records`, `counters` and `files` belong to the step that
    writes the output. If there are several such steps, use `steps`.
    """

    steps: dict[str, JobResult]
    last: tuple[str, ...]

    @property
    def records(self) -> list[tuple[Any, Any]]:
        """The pairs of the output."""
        return self._only.records

    @property
    def counters(self) -> Counters:
        """The totals of the step that writes the output."""
        return self._only.counters

    @property
    def files(self) -> dict[str, bytes]:
        """The files of the output."""
        return self._only.files

    @property
    def _only(self) -> JobResult:
        if len(self.last) > 1:
            raise JobError(f"several steps write output: use steps[{self.last[0]!r}] and so on")
        return self.steps[self.last[0]]


def run_chain(
    cls: type[Chain],
    inputs: Inputs | Mapping[str, Inputs],
    args: argparse.Namespace,
    given: Given,
    files: Mapping[str, str | bytes | Path],
    scratch: Path,
) -> ChainResult:
    """Run all steps. Raises what run_job raises.

    Each step has a result of its own, unless `conf` names `chain.fuse`.
    """
    steps = check_chain(cls)
    last = last_steps(steps)
    uris = _inputs(cls, steps, inputs, scratch / "input")
    outputs = {step.name: scratch / "steps" / step.name for step in steps}
    done: dict[str, JobResult] = {}
    confs = {step.name: _settings(cls, step, given) for step in steps}
    into = fused_steps(steps, confs) if CHAIN_FUSE.name in given[0] else {}
    before: dict[Into, tuple[tuple[FusedStep, ...], Source]] = {}
    hooks = hooks_of(cls)
    output = f"file://{outputs[min(last)] / 'output' if len(last) == 1 else scratch / 'steps'}"
    told = HookContext(cls.__name__, args, {n: tuple(each) for n, each in uris.items()}, output)
    if BEFORE in hooks:
        hooks[BEFORE].function(told)
    for step in steps:
        settings = confs[step.name]
        job = step.job(args)
        from_steps = {name for name, read in step.reads.items() if set(read) <= outputs.keys()}
        as_step(job, from_steps=from_steps, is_last=step.name in last)
        sources = []
        for name, read in step.reads.items():
            fmt = input_data(input_format_of(job, name))
            if isinstance(fmt, StepInput):
                places = [f"{outputs[each]}/output" for each in read]
            else:
                places = [uri for each in read for uri in uris[each]]
            sources.append(Source(name, tuple(places), fmt))
        earlier = {at.source: each for at, each in before.items() if at.step == step.name}
        sources = [
            replace(earlier[each.name][1], name=each.name) if each.name in earlier else each
            for each in sources
        ]
        if step.name in into:
            one = FusedStep(step.name, job, params_of(settings))
            ones = (*(earlier[""][0] if earlier else ()), one)
            before[into[step.name]] = ones, sources[0]
            continue
        job.fused = {name: ones for name, (ones, _) in earlier.items()}
        outputs[step.name].mkdir(parents=True)
        done[step.name] = run_tasks(job, settings, outputs[step.name], sources, files)
    if AFTER in hooks:
        hooks[AFTER].function(told)
    return ChainResult(done, tuple(name for name in done if name in last))


def _settings(cls: type[Chain], step: ArrangedStep, given: Given) -> Conf:
    conf, splits, reduces = given
    reduces = reduces if step.job.reducer is not None else None
    return settings_of(step.job, conf, setting_texts(cls.conf), splits, reduces)


def _inputs(
    cls: type[Chain],
    steps: tuple[ArrangedStep, ...],
    inputs: Inputs | Mapping[str, Inputs],
    directory: Path,
) -> dict[str, list[str]]:
    """The URIs of each input that is no step, by name."""
    names = {step.name for step in steps}
    wanted = {each for step in steps for read in step.reads.values() for each in read} - names
    if wanted == {""}:
        return {"": materialise(cast(Inputs, inputs), directory)}
    if not isinstance(inputs, Mapping) or set(inputs) != wanted:
        shown = ", ".join(sorted(map(repr, wanted)))
        raise JobError(f"give the inputs of {cls.__name__} by name: {shown}")
    directory.mkdir()
    return {name: materialise(inputs[name], directory / (name or "input")) for name in wanted}
