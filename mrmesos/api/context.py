"""The context of a running task: counters, status, parameters, named outputs, its ids."""

from __future__ import annotations

import argparse
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import msgspec
from msgspec import Meta

from mrmesos.api.split import Split
from mrmesos.bounds import INT64_MAX, INT64_MIN, Int64, Name, bounded

if TYPE_CHECKING:
    import pyarrow as pa

_Group = Annotated[dict[Name, Int64], Meta(max_length=100_000)]
Counters = Annotated[dict[Name, _Group], Meta(max_length=100_000)]
"""Counters by group, then by name. Hadoop's framework counters are in the group `task`."""


def add_counters(total: Counters, more: Mapping[str, Mapping[str, int]]) -> str:
    """Add `more` to `total`, in place. Sums are limited to 64 bits.

    Returns the last counter that reached the limit as `group: name`, else an empty string.
    """
    beyond = ""
    for group, names in more.items():
        into = total.setdefault(group, {})
        for name, amount in names.items():
            added = into.get(name, 0) + amount
            into[name] = bounded(added)
            if into[name] != added:
                beyond = f"{group}: {name}"
    return beyond


class TaskFacts(msgspec.Struct, frozen=True):
    """Ids and facts of this attempt.

    `kind` is "map" or "reduce"; `index` is the number of the map or the partition of the reduce.
    `split` is the input of a map; a reduce has none.
    `files` has the job's files by name (see `Context.cached`). The attempt may listen on `ports` of
    this host while it runs (`map.resources=ports:1`).
    """

    job_id: str
    task_id: str
    attempt_id: str
    kind: str
    index: int
    num_maps: int
    num_reducers: int
    hostname: str
    files: Mapping[str, Path] = msgspec.field(default_factory=dict)
    ports: tuple[int, ...] = ()
    split: Split | None = None


class NamedOutput(Protocol):
    """One of `Job.outputs` in one attempt. Only the winning attempt's files are committed."""

    def write(self, key: Any, value: Any) -> None:
        """Write a pair."""

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Write a batch with the columns `key` and `value`."""


def _no_outputs(name: str) -> NamedOutput:
    raise RuntimeError(f"there is no output {name!r} here")


def _wrong_count(*given: Any) -> TypeError:
    types = ", ".join(type(each).__name__ for each in given)
    return TypeError(f"count(group, name, amount) takes two texts and a whole number, not {types}")


@dataclass(slots=True)
class Context:
    """The `self.context` of every Mapper, Reducer and Partitioner; set before `setup()`.

    `params` has the job's `-D name=value`, and `args` its parsed command-line arguments.
    `input_uri` and `input_offset` are the file and the offset of the current record in a map;
    `input_name` is its input in `Job.inputs`.
    """

    facts: TaskFacts
    params: Mapping[str, str]
    args: argparse.Namespace
    counters: Counters = field(default_factory=dict)
    status: str = ""
    input_uri: str = ""
    input_offset: int = -1
    input_name: str = ""
    open_output: Callable[[str], NamedOutput] = _no_outputs
    given_pickles: bool = False
    """Whether user code got batches with pickled columns. Only then may it yield such batches."""

    def count(self, group: str, name: str, amount: int = 1) -> None:
        """Add to a counter of the job. The job reports the totals of its winning attempts.

        Raises TypeError for an amount that is no whole number, and for names that are None.
        """
        try:
            names = self.counters.setdefault(group, {})
            total = names.get(name, 0) + operator.index(amount)
        except TypeError:
            raise _wrong_count(group, name, amount) from None
        if group is None or name is None:
            raise _wrong_count(group, name, amount)
        if not INT64_MIN <= total <= INT64_MAX:
            raise OverflowError(f"the counter {group!r}, {name!r} would be {total}, over 64 bits")
        names[name] = total

    def set_status(self, text: str) -> None:
        """Set a text that is shown with the attempt's progress (first 200 characters).

        Raises TypeError for anything but text.
        """
        if not isinstance(text, str):
            raise TypeError(f"set_status takes text, not {type(text).__name__}")
        self.status = text[:200]

    def cached(self, name: str) -> Path:
        """The local path of a file of `--files`, or of the unpacked directory of `--archives`.

        Read-only. Raises LookupError.
        """
        if name not in self.facts.files:
            known = ", ".join(sorted(self.facts.files)) or "none"
            raise LookupError(f"no file {name!r} came with the job by --files (known: {known})")
        return self.facts.files[name]

    def output(self, name: str) -> NamedOutput:
        """One of `Job.outputs`. The job commits its files as `<output>/<name>/part-…`.

        Only for reducers, and for mappers of jobs without reduces. Other callers get a JobError.
        """
        return self.open_output(name)
