"""Chains: jobs that follow each other, each reading files or the output of earlier steps. Pure."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Mapping, Sequence, Set
from graphlib import CycleError, TopologicalSorter
from typing import Any, ClassVar

import msgspec

from mrmesos.api.formats import StepInput, StepOutput
from mrmesos.api.hooks import AFTER, BEFORE, AsTask, Hook, InClient
from mrmesos.api.job import Input, Job, JobError, check_job

STEPS_MAX = 1000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

Reads = str | Sequence[str]
"""Names of steps, or of inputs that `--input NAME=URI` gives. The empty name means `--input
URI`.
"""


class Step(msgspec.Struct, frozen=True):
    """A step of a chain: its job, its inputs, and the steps that must be done before it (`after`).

    `inputs` names steps or inputs; for a job with several inputs, it is a dict with the names of
    these. Without `inputs`, a step reads `--input URI`, or the inputs of its job by their names.
    """

    job: type[Job]
    inputs: Reads | Mapping[str, Reads] = ()
    after: Reads = ()


class Chain:
    """Jobs that follow each other. `mrmesos submit` runs it as one thing.

    `steps` is a list, where each step reads the one before it (`steps = [CountWords, TopWords]`),
    or a dict by name, where each step names its inputs. A step that no other step reads writes to
    `--output`. If there are several such steps, each writes to a directory there that has the
    step's name.

    A step that reads another step gets its keys and values as they were yielded, whatever its
    `input_format` is. `conf` has settings for all steps; the settings of a step's own class
    override them.

    The hooks `before` and `after` are functions that run once, before the first step and after the
    last one: `before = InClient(function)` or `AsTask(function)`.
    """

    steps: ClassVar[Sequence[type[Job] | Step] | Mapping[str, type[Job] | Step]] = ()
    conf: ClassVar[Mapping[str, str | int | float | bool]] = {}
    before: ClassVar[Hook | None] = None
    after: ClassVar[Hook | None] = None

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Declare command-line arguments. By default, these are the arguments of all jobs. All
        steps get all of them.
        """
        for job in dict.fromkeys(step.job for step in arranged(cls)):
            job.add_arguments(parser)


class ArrangedStep(msgspec.Struct, frozen=True):
    """A step with all names resolved. `reads` has, for each input of its job, the names that it
    reads.
    """

    name: str
    job: type[Job]
    reads: Mapping[str, tuple[str, ...]]
    after: tuple[str, ...]
    """All steps that must be done before, also the steps that it reads."""


def arranged(cls: type[Chain]) -> tuple[ArrangedStep, ...]:
    """The steps, each behind the steps for which it waits. Raises JobError at the first mistake."""
    if not (inspect.isclass(cls) and issubclass(cls, Chain)):
        raise JobError(f"{cls!r:.80} is not a subclass of mrmesos.api.Chain")
    given = _named(cls)
    found = {name: _resolved(cls, name, step, given) for name, step in given.items()}
    try:
        order = tuple(TopologicalSorter({n: s.after for n, s in found.items()}).static_order())
    except CycleError as problem:
        circle = " -> ".join(reversed(problem.args[1]))
        raise JobError(f"{cls.__name__}: the steps wait for each other: {circle}") from None
    return tuple(found[name] for name in order)


def as_step(job: Job, *, from_steps: Set[str], is_last: bool) -> None:
    """Give a job the formats of steps: for its inputs `from_steps`, and for its output unless it is
    last. Only the JobSpec has the chain's key.
    """
    if job.inputs:
        job.inputs = {  # type: ignore[misc]  # of this job only, not of its class
            name: Input(StepInput(""), given.mapper) if name in from_steps else given
            for name, given in job.inputs.items()
        }
    elif from_steps:
        job.input_format = StepInput("")  # type: ignore[misc]
    if not is_last:
        job.output_format = StepOutput("")  # type: ignore[misc]


def hooks_of(cls: type[Chain]) -> dict[str, Hook]:
    """The hooks of a chain by name."""
    found = {BEFORE: cls.before, AFTER: cls.after}
    return {name: hook for name, hook in found.items() if hook is not None}


def last_steps(steps: Sequence[ArrangedStep]) -> set[str]:
    """The names of the steps that no other step reads. They write the output of the chain."""
    read = {name for step in steps for names in step.reads.values() for name in names}
    return {step.name for step in steps} - read


def _named(cls: type[Chain]) -> dict[str, Step]:
    """The steps by name. In a list, each reads the one before it."""
    name = cls.__name__
    steps: Any = cls.steps
    if isinstance(steps, str) or not isinstance(steps, Mapping | Sequence) or not steps:
        raise JobError(f"{name}.steps is {steps!r:.80}, not a list or dict of jobs")
    if len(steps) > STEPS_MAX:
        raise JobError(f"{name}.steps has {len(steps)} steps, over {STEPS_MAX}")
    found: dict[str, Step] = {}
    if isinstance(steps, Mapping):
        for key, each in steps.items():
            if not isinstance(key, str) or not _NAME.fullmatch(key):
                raise JobError(f"{name}.steps has the name {key!r:.80}; use letters and digits")
            found[key] = _step(f"{name}.steps[{key!r}]", each)
        return found
    before = ""
    for index, each in enumerate(steps):
        step = _step(f"{name}.steps[{index}]", each)
        own = step.job.__name__
        key = own if own not in found else f"{own}-{index + 1}"
        if before and not step.inputs:
            step = Step(step.job, before, step.after)
        found[key], before = step, key
    return found


def _step(where: str, given: object) -> Step:
    step = given if isinstance(given, Step) else Step(given)  # type: ignore[arg-type]  # checked
    try:
        check_job(step.job)
    except JobError as problem:
        raise JobError(f"{where}: {problem}") from None
    return step


def _resolved(cls: type[Chain], name: str, step: Step, steps: Mapping[str, Step]) -> ArrangedStep:
    where = f"{cls.__name__}: step {name}"
    reads = _reads(where, step)
    after = dict.fromkeys(each for names in reads.values() for each in names if each in steps)
    for each in _texts(where, step.after):
        if each not in steps:
            raise JobError(f"{where} comes after {each!r}, which is no step of the chain")
        after[each] = None
    for source, names in reads.items():
        if 0 < sum(each in steps for each in names) < len(names):
            of = f"the input {source} of " if source else ""
            raise JobError(
                f"{of}{where} reads steps and files ({', '.join(map(repr, names))}); "
                "files have a format and steps have none: give each an input of its own"
            )
    return ArrangedStep(name, step.job, reads, tuple(after))


def _reads(where: str, step: Step) -> dict[str, tuple[str, ...]]:
    own, given = step.job.inputs, step.inputs
    if not own:
        if isinstance(given, Mapping):
            raise JobError(f"{where} names inputs, but {step.job.__name__} has only one")
        return {"": _texts(where, given) or ("",)}
    names = ", ".join(own)
    if not given:
        return {name: (name,) for name in own}
    if not isinstance(given, Mapping) or set(given) != set(own):
        raise JobError(f"{where}: {step.job.__name__} has the inputs {names}: name each in a dict")
    return {name: _texts(where, given[name]) for name in own}


def _texts(where: str, given: object) -> tuple[str, ...]:
    if isinstance(given, str):
        return (given,)
    if not isinstance(given, Sequence) or not all(isinstance(each, str) for each in given):
        raise JobError(f"{where} has {given!r:.80} where names of steps are expected")
    return tuple(given)


def check_chain(cls: type[Chain]) -> tuple[ArrangedStep, ...]:
    """The steps as for `arranged`, with all checks. Raises JobError."""
    steps = arranged(cls)
    last = last_steps(steps)
    if not isinstance(cls.conf, Mapping):
        raise JobError(f"{cls.__name__}.conf is {cls.conf!r:.80}, not a dict of settings")
    _check_hooks(cls, {step.name for step in steps})
    for step in steps:
        if step.name not in last and step.job.outputs:
            raise JobError(
                f"{cls.__name__}: step {step.name} has named outputs, but another step reads it, "
                "and its output is removed at the end; write them in a last step"
            )
    return steps


def _check_hooks(cls: type[Chain], steps: Set[str]) -> None:
    for name, hook in hooks_of(cls).items():
        where = f"{cls.__name__}.{name}"
        if not isinstance(hook, InClient | AsTask):
            raise JobError(
                f"{where} is {hook!r:.80}; say where the function runs: InClient(function) or "
                "AsTask(function)"
            )
        if not callable(hook.function):
            raise JobError(f"{where} has {hook.function!r:.80}, which is no function")
        if isinstance(hook, AsTask) and not isinstance(hook.conf, Mapping):
            raise JobError(f"{where} has conf={hook.conf!r:.80}, not a dict of settings")
        if name in steps:
            raise JobError(f"{where} is a hook, and a step is named {name!r}; rename the step")
