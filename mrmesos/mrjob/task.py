"""The data for the tasks of an mrjob step. It travels with the job, as `context.args.mrjob`."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from mrmesos.streaming.spec import Fields, StreamSpec


class WorkKind(StrEnum):
    """The kinds of code that do the work of a mapper, combiner or reducer. RAW: `mapper_raw`."""

    NONE = "none"
    SCRIPT = "script"
    COMMAND = "command"
    IDENTITY = "identity"
    RAW = "raw"


class SubStep(msgspec.Struct, frozen=True):
    """A mapper, combiner or reducer. `command` does the work, or filters the input of a script."""

    kind: WorkKind = WorkKind.NONE
    command: str = ""


class MRTask(msgspec.Struct, frozen=True):
    """One step of an MRJob class. `args` are the words with which the class is made in tasks."""

    job_class: Any
    step: int
    args: tuple[str, ...]
    mapper: SubStep
    combiner: SubStep
    reducer: SubStep
    stream: StreamSpec = msgspec.field(default_factory=StreamSpec)

    @property
    def combines_in_mapper(self) -> bool:
        """Whether the mapper itself combines, so that most pairs are never encoded."""
        scripts = self.mapper.kind is self.combiner.kind is WorkKind.SCRIPT
        return scripts and not self.combiner.command and self.reducer.kind is not WorkKind.NONE

    @property
    def writes_pairs(self) -> bool:
        """Whether methods of the class wrote the reducer's input, with the usual fields."""
        scripts = (WorkKind.SCRIPT, WorkKind.NONE)
        usual = self.stream.map_fields == Fields()
        return usual and self.mapper.kind is WorkKind.SCRIPT and self.combiner.kind in scripts

    def words(self, what: str) -> list[str]:
        """The command line of a task, as mrjob's runners make it."""
        return [f"--{what}", f"--step-num={self.step}", *self.args]
