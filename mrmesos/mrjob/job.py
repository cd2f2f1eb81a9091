"""The Job of one step of an MRJob."""

from __future__ import annotations

import argparse

from mrmesos.api.formats import TextInput, WholeFileInput
from mrmesos.api.job import Job
from mrmesos.mrjob.task import MRTask, WorkKind
from mrmesos.mrjob.tasks import MRCombiner, MRMapper, MRPartitioner, MRReducer


class MRJobStep(Job):
    """Attributes that differ from step to step are set on the object."""

    mapper = MRMapper
    input_format = TextInput(encoding="", empty_files=True)


def make_step(task: MRTask, *, sort_values: bool) -> MRJobStep:
    """The job of a step."""
    job = MRJobStep(argparse.Namespace(mrjob=task))
    own = vars(job)
    if task.mapper.kind is WorkKind.RAW:
        own["input_format"] = WholeFileInput()
    if task.reducer.kind is not WorkKind.NONE:
        own["reducer"] = MRReducer
        own["sort_values"] = sort_values
        if task.combiner.kind is not WorkKind.NONE and not task.combines_in_mapper:
            own["combiner"] = MRCombiner
    if task.stream.partitioner:
        own["partitioner"] = MRPartitioner
    return job
