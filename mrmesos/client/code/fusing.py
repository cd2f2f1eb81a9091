"""Decides which steps of a chain run inside the maps of the step that reads them. Pure.

A step without a reducer need not be a job of its own. Its mapper's records can go to the next
step's mapper in the same task, without a file between them. We do this only if nothing is lost:
only one step reads them, nobody else waits for the step, and both steps have the same settings.
Then a task has the memory, the processors and the place that both ask for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mrmesos.api.chain import ArrangedStep
from mrmesos.api.job import Job
from mrmesos.api.tasks import TotalOrder
from mrmesos.conf import CHAIN_FUSE, JOB_NAME, JOB_REDUCES, SETTINGS, SKIP_RECORDS_MAX, Conf

_OF_ONE = frozenset({JOB_NAME.name, JOB_REDUCES.name})


class Into(NamedTuple):
    """The step whose maps run another step, and the input that would read that step's output."""

    step: str
    source: str


def fused_steps(steps: Sequence[ArrangedStep], confs: Mapping[str, Conf]) -> dict[str, Into]:
    """The steps that need no job of their own, each with the step that runs it.

    `confs` has the settings of all steps.
    """
    readers: dict[str, list[Into]] = {step.name: [] for step in steps}
    waiting: dict[str, set[str]] = {step.name: set() for step in steps}
    for step in steps:
        for source, names in step.reads.items():
            for name in names:
                if name in readers:
                    readers[name].append(Into(step.name, source))
        for name in step.after:
            waiting[name].add(step.name)
    known = {step.name: step for step in steps}
    found: dict[str, Into] = {}
    for step in steps:
        if len(readers[step.name]) != 1:
            continue
        [into] = readers[step.name]
        reader = known[into.step]
        alone = reader.reads[into.source] == (step.name,) and waiting[step.name] == {into.step}
        if alone and _only_maps(step.job) and _alike(confs[step.name], confs[into.step]):
            ordered = issubclass(reader.job.partitioner, TotalOrder)
            if not (ordered and confs[into.step].get_as(JOB_REDUCES) > 1):
                found[step.name] = into
    return found


def _only_maps(job: type[Job]) -> bool:
    return job.reducer is None and not job.inputs and not job.outputs


def _alike(one: Conf, other: Conf) -> bool:
    """Whether two steps run with the same settings, in which they may be fused."""
    return (
        _settings(one) == _settings(other)
        and one.get_as(CHAIN_FUSE)
        and not one.get_as(SKIP_RECORDS_MAX)
    )


def _settings(conf: Conf) -> dict[str, str]:
    return {name: text for name, text in conf.items() if name in SETTINGS and name not in _OF_ONE}


def params_of(conf: Conf) -> dict[str, str]:
    """A step's own parameters, which are no settings. The parameters of the step that runs it may
    differ.
    """
    return {name: text for name, text in conf.items() if name not in SETTINGS}
