"""The Job class: which mapper, combiner and reducer, with what input, output and resources."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, get_args

from mrmesos.api.aggregates import Aggregate
from mrmesos.api.custom_formats import RecordReader, RecordWriter
from mrmesos.api.formats import (
    CustomInput,
    CustomOutput,
    InputFormat,
    OutputFormat,
    TextInput,
    TextOutput,
)
from mrmesos.api.tasks import (
    BatchMapper,
    BatchReducer,
    HashPartitioner,
    Mapper,
    Partitioner,
    Reducer,
)

if TYPE_CHECKING:
    import pyarrow as pa

AnyMapper = type[Mapper] | type[BatchMapper]
AnyReducer = type[Reducer] | type[BatchReducer] | type[Aggregate]


class JobError(Exception):
    """The job class cannot be run as it is; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Input:
    """One of several inputs of a job: its format, and its mapper (None: that of the job)."""

    format: InputFormat | RecordReader
    mapper: AnyMapper | None = None


class Job:
    """Derive from it, name the classes, and `mrmesos submit` the file.

    `conf` holds the job's own defaults of settings (`{"map.memory.mb": 2048}`); `-D` overrides
    them. `num_reducers` is a default of `job.reduces` in the same way. `map_output_types` fixes
    the Arrow types of the mapper's keys and values where they should not be inferred from data.

    `sort_values` lets the values of a key come to the reducer in order (of values as of keys: they
    must be of one type that has one). `grouping_fields = n` is for keys that are tuples: pairs
    whose keys agree in the first n fields go to one reduce and into one call of its reducer, with
    the first of their keys and their values in the order of the whole key (what Hadoop's grouping
    comparator and a partitioner to match it do).

    A job with several kinds of input names them in `inputs`, each with its format and mapper
    (Hadoop's MultipleInputs), and is submitted with `--input NAME=URI`. `outputs` names further
    outputs beside the main one (MultipleOutputs): what a task writes by `context.output(name)`.
    """

    mapper: ClassVar[AnyMapper] = Mapper
    combiner: ClassVar[type[Reducer] | type[BatchReducer] | None] = None
    reducer: ClassVar[AnyReducer | None] = None
    partitioner: ClassVar[type[Partitioner]] = HashPartitioner
    sort_values: ClassVar[bool] = False
    grouping_fields: ClassVar[int | None] = None
    num_reducers: ClassVar[int | None] = None
    input_format: ClassVar[InputFormat | RecordReader] = TextInput()
    inputs: ClassVar[Mapping[str, Input]] = {}
    output_format: ClassVar[OutputFormat | RecordWriter] = TextOutput()
    outputs: ClassVar[Mapping[str, OutputFormat | RecordWriter]] = {}
    map_output_types: ClassVar[tuple[pa.DataType, pa.DataType] | None] = None
    conf: ClassVar[Mapping[str, str | int | float | bool]] = {}

    cut_points: pa.Array | None = None
    """Where to cut the keys of a job with TotalOrder; the client sets it."""

    def __init__(self, args: argparse.Namespace | None = None) -> None:
        self.args = args if args is not None else argparse.Namespace()

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Declare the job's own command-line arguments; tasks read them as `context.args`."""


_Role = tuple[tuple[type, ...], bool, str]
_ROLES: Mapping[str, _Role] = {
    "mapper": ((Mapper, BatchMapper), False, "Mapper or BatchMapper"),
    "combiner": ((Reducer, BatchReducer), True, "Reducer or BatchReducer"),
    "reducer": (
        (Reducer, BatchReducer, Aggregate),
        True,
        "Reducer, BatchReducer or an aggregate such as Sum",
    ),
    "partitioner": ((Partitioner,), False, "Partitioner"),
}
_FORMATS: Mapping[str, tuple[type, ...]] = {
    "input_format": (*(k for k in get_args(InputFormat) if k is not CustomInput), RecordReader),
    "output_format": (*(k for k in get_args(OutputFormat) if k is not CustomOutput), RecordWriter),
}


def mapper_of(job: Job | type[Job], source: str) -> AnyMapper:
    """The mapper of the input of this name; empty where a job has one kind of input."""
    own = job.inputs[source].mapper if source else None
    return own or job.mapper


def input_format_of(job: Job | type[Job], source: str) -> InputFormat | RecordReader:
    """The format of the input of this name; empty where a job has one kind of input."""
    return job.inputs[source].format if source else job.input_format


def named_output(job: type[Job], name: str) -> OutputFormat | RecordWriter:
    """The format of the further output of this name. Raises JobError."""
    if name not in job.outputs:
        known = ", ".join(job.outputs) or "none"
        raise JobError(f"{job.__name__} has no output {name!r} in `outputs` (it has {known})")
    return job.outputs[name]


def check_job(cls: type[Job]) -> None:
    """Raise JobError at the first thing that would keep the job from running as it is declared."""
    if not (inspect.isclass(cls) and issubclass(cls, Job)):
        raise JobError(f"{cls!r:.80} is not a subclass of mrmesos.api.Job")
    name = cls.__name__
    for attribute, (bases, optional, words) in _ROLES.items():
        value = getattr(cls, attribute)
        if value is None and optional:
            continue
        if not (inspect.isclass(value) and issubclass(value, bases)):
            shown = value.__name__ if inspect.isclass(value) else f"{value!r:.80}"
            hint = "; name the class, not an object of it" if isinstance(value, bases) else ""
            none = ", or None" if optional else ""
            raise JobError(f"{name}.{attribute} is {shown}, not a subclass of {words}{none}{hint}")
    for attribute, kinds in _FORMATS.items():
        _check_format(f"{name}.{attribute}", getattr(cls, attribute), kinds)
    _check_names(cls)
    if cls.combiner is not None and cls.reducer is None:
        raise JobError(f"{name} has a combiner but no reducer")
    if cls.combiner is not None and cls.reducer is not None and issubclass(cls.reducer, Aggregate):
        raise JobError(
            f"{name} has a combiner beside the aggregate {cls.reducer.__name__}, which combines "
            "by itself; leave the combiner out"
        )
    if cls.reducer is Aggregate:
        raise JobError(f"{name}.reducer is Aggregate itself; name one, such as Sum")
    _check_order(cls)
    _check_settings(cls)


def _check_format(what: str, value: object, kinds: tuple[type, ...]) -> None:
    if not isinstance(value, kinds):
        words = " or ".join(f"{kind.__name__}()" for kind in kinds)
        raise JobError(f"{what} is {value!r:.80}, not {words}")


def _check_names(cls: type[Job]) -> None:
    """Inputs and outputs that have names."""
    for attribute in ("inputs", "outputs"):
        named = getattr(cls, attribute)
        if not isinstance(named, Mapping):
            raise JobError(f"{cls.__name__}.{attribute} is {named!r:.80}, not a dict by name")
        for name in named:
            if not isinstance(name, str) or not name.isidentifier() or name.startswith("_"):
                raise JobError(
                    f"{cls.__name__}.{attribute} has the name {name!r}; names are of letters and "
                    "digits"
                )
    for name, given in cls.inputs.items():
        what = f"{cls.__name__}.inputs[{name!r}]"
        if not isinstance(given, Input):
            raise JobError(f"{what} is {given!r:.80}, not Input(format, mapper)")
        _check_format(f"{what}.format", given.format, _FORMATS["input_format"])
        mapper = given.mapper
        if mapper is not None and not (
            inspect.isclass(mapper) and issubclass(mapper, Mapper | BatchMapper)
        ):
            raise JobError(
                f"{what}.mapper is {mapper!r:.80}, not a subclass of {_ROLES['mapper'][2]}"
            )
    for name, fmt in cls.outputs.items():
        _check_format(f"{cls.__name__}.outputs[{name!r}]", fmt, _FORMATS["output_format"])


def _check_order(cls: type[Job]) -> None:
    name, fields = cls.__name__, cls.grouping_fields
    if not isinstance(cls.sort_values, bool):
        raise JobError(f"{name}.sort_values is {cls.sort_values!r:.80}, not True or False")
    if fields is not None and (type(fields) is not int or fields < 1):
        raise JobError(f"{name}.grouping_fields is {fields!r:.80}, not a number of fields")
    if cls.reducer is None and (cls.sort_values or fields):
        raise JobError(f"{name} has no reducer, so nothing is sorted or grouped")
    aggregate = cls.reducer if cls.reducer and issubclass(cls.reducer, Aggregate) else None
    if aggregate is not None and (type(aggregate.n) is not int or aggregate.n < 1):
        raise JobError(f"{aggregate.__name__}.n is {aggregate.n!r:.80}, not a number of values")
    if aggregate is not None and aggregate.distinct and fields:
        raise JobError(
            f"{name} groups by the first fields of keys, but {aggregate.__name__} tells values "
            "apart by whole keys; yield keys of these fields alone"
        )
    if not cls.sort_values:
        return
    if cls.combiner is not None:
        raise JobError(
            f"{name} sorts values and has a combiner, whose values would have no order; leave one "
            "of both out"
        )
    if aggregate is not None:
        raise JobError(f"{name} sorts values for {aggregate.__name__}, which needs no order")


def _check_settings(cls: type[Job]) -> None:
    name = cls.__name__
    reducers = cls.num_reducers
    if reducers is not None and (type(reducers) is not int or reducers < 0):
        raise JobError(f"{name}.num_reducers is {reducers!r}, not a number of tasks")
    if reducers and cls.reducer is None:
        raise JobError(
            f"{name} has no reducer, so num_reducers = {reducers} has no meaning; "
            "`reducer = Reducer` sorts and writes what the maps yield"
        )
    if not isinstance(cls.conf, Mapping):
        raise JobError(f"{name}.conf is {cls.conf!r:.80}, not a dict of settings")
    for setting, value in cls.conf.items():
        if not isinstance(setting, str) or not isinstance(value, str | int | float | bool):
            raise JobError(
                f"{name}.conf[{setting!r}] is {value!r:.80}; a setting is text, a number or a bool"
            )
    types = cls.map_output_types
    if types is not None and not (isinstance(types, tuple) and len(types) == 2):
        raise JobError(
            f"{name}.map_output_types is {types!r:.80}, not a pair of Arrow types such as "
            "(pa.string(), pa.int64())"
        )


def class_settings(cls: type[Job]) -> dict[str, str]:
    """The settings that the job class itself gives, as text; `-D` goes on top of them."""
    values = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in cls.conf.items()
    }
    if cls.num_reducers is not None:
        values["job.reduces"] = str(cls.num_reducers)
    return values
