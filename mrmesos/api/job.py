"""The Job class, which names mapper, combiner, reducer, formats and settings. Also the checks of a
job.
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal, Self, get_args

import msgspec

from mrmesos.api.aggregates import Aggregate
from mrmesos.api.custom_formats import RecordReader, RecordWriter
from mrmesos.api.formats import (
    CustomInput,
    CustomOutput,
    InputFormat,
    OutputFormat,
    StepInput,
    StepOutput,
    TextInput,
    TextOutput,
)
from mrmesos.api.misnamed import misnamed_attribute, uncalled_method
from mrmesos.api.tasks import (
    BatchMapper,
    BatchPartitioner,
    BatchReducer,
    HashPartitioner,
    Mapper,
    Partitioner,
    Reducer,
    SortedReducer,
    TotalOrder,
)

if TYPE_CHECKING:
    import pyarrow as pa

AnyMapper = type[Mapper] | type[BatchMapper]
AnyCombiner = type[Reducer] | type[BatchReducer] | type[SortedReducer]
AnyReducer = AnyCombiner | type[Aggregate]
AnyPartitioner = type[Partitioner] | type[BatchPartitioner]


class JobError(Exception):
    """The job class cannot run; the message says what to change."""


class Input(msgspec.Struct, frozen=True):
    """One of several inputs of a job: its format, and its mapper (None: the job's mapper)."""

    format: InputFormat | RecordReader
    mapper: AnyMapper | None = None


class FusedStep(msgspec.Struct, frozen=True):
    """A step of a chain that has no job of its own: its name, its job, and its parameters."""

    name: str
    job: Job
    params: Mapping[str, str]


class Job:
    """A job. Derive a class from it, name mapper and reducer, and `mrmesos submit` the file.

    `conf` has the job's own defaults of settings (`{"map.memory.mb": 2048}`); `-D` overrides them.
    `num_reducers` is likewise the default of `job.reduces`. `map_output_types` sets the Arrow types
    of the mapper's keys and values, if they should not be inferred from data.

    With `sort_values`, the reducer gets the values of a key in order. The values must have one
    type, and the type must have an order.

    `grouping_fields = n` is for keys that are tuples. Pairs whose keys have the same first n fields
    go to one call of the reducer. The call gets the first of these keys, and the values in the
    order of the whole keys (like Hadoop's grouping comparator with a matching partitioner).

    A job with several kinds of input names them in `inputs`, each with its format and mapper
    (Hadoop's MultipleInputs). Submit it with `--input NAME=URI`. `outputs` names additional outputs
    (MultipleOutputs); a task writes to them with `context.output(name)`.
    """

    mapper: ClassVar[AnyMapper] = Mapper
    combiner: ClassVar[AnyCombiner | None] = None
    reducer: ClassVar[AnyReducer | None] = None
    partitioner: ClassVar[AnyPartitioner] = HashPartitioner
    sort_values: ClassVar[bool] = False
    grouping_fields: ClassVar[int | None] = None
    num_reducers: ClassVar[int | Literal["auto"] | None] = None
    input_format: ClassVar[InputFormat | RecordReader] = TextInput()
    inputs: ClassVar[Mapping[str, Input]] = {}
    output_format: ClassVar[OutputFormat | RecordWriter] = TextOutput()
    outputs: ClassVar[Mapping[str, OutputFormat | RecordWriter]] = {}
    map_output_types: ClassVar[tuple[pa.DataType, pa.DataType] | None] = None
    conf: ClassVar[Mapping[str, str | int | float | bool]] = {}

    cut_points: pa.Array | None = None
    """The cut points of a job with TotalOrder; the client sets them."""
    fused: Mapping[str, tuple[FusedStep, ...]] = {}
    """By input: the steps of a chain whose mappers run before this job's mapper."""

    args: argparse.Namespace

    def __new__(cls, args: argparse.Namespace | None = None) -> Self:
        """Set the arguments here, because an author's own `__init__` need not call
        `super().__init__`.
        """
        job = super().__new__(cls)
        job.args = args if args is not None else argparse.Namespace()
        return job

    def __init__(self, args: argparse.Namespace | None = None) -> None:
        """`args` are the job's own arguments."""

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Declare the job's command-line arguments; tasks read them as `context.args`."""


_Role = tuple[tuple[type, ...], bool, str]
_ROLES: Mapping[str, _Role] = {
    "mapper": ((Mapper, BatchMapper), False, "Mapper or BatchMapper"),
    "combiner": (
        (Reducer, BatchReducer, SortedReducer),
        True,
        "Reducer, BatchReducer or SortedReducer",
    ),
    "reducer": (
        (Reducer, BatchReducer, SortedReducer, Aggregate),
        True,
        "Reducer, BatchReducer, SortedReducer or an aggregate such as Sum",
    ),
    "partitioner": ((Partitioner, BatchPartitioner), False, "Partitioner or BatchPartitioner"),
}


def _for_authors(formats: object, *internal: type) -> tuple[type, ...]:
    return tuple(kind for kind in get_args(formats) if kind not in internal)


_FORMATS: Mapping[str, tuple[type, ...]] = {
    "input_format": (*_for_authors(InputFormat, CustomInput, StepInput), RecordReader),
    "output_format": (*_for_authors(OutputFormat, CustomOutput, StepOutput), RecordWriter),
}


_MISNAMED: Mapping[str, tuple[type, ...]] = {
    **{name: bases for name, (bases, _, _) in _ROLES.items()},
    **_FORMATS,
    **dict.fromkeys(("num_reducers", "grouping_fields", "sort_values"), (int,)),
    **dict.fromkeys(("inputs", "outputs", "conf"), (Mapping,)),
}
"""Attributes that an author may misspell, with the types of their values."""


def mapper_of(job: Job | type[Job], source: str) -> AnyMapper:
    """The mapper of the input `source`; empty if the job has only one kind of input."""
    own = job.inputs[source].mapper if source else None
    return own or job.mapper


def input_format_of(job: Job | type[Job], source: str) -> InputFormat | RecordReader:
    """The format of the input `source`; empty if the job has only one kind of input."""
    return job.inputs[source].format if source else job.input_format


def named_output(job: type[Job], name: str) -> OutputFormat | RecordWriter:
    """The format of the named output. Raises JobError."""
    if name not in job.outputs:
        known = ", ".join(job.outputs) or "none"
        raise JobError(f"{job.__name__} has no output {name!r} in `outputs` (it has {known})")
    return job.outputs[name]


def check_job(cls: type[Job]) -> None:
    """Raise JobError at the first mistake in the job class."""
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
        _check_methods(f"{name}.{attribute}", value, bases)
    for attribute, kinds in _FORMATS.items():
        _check_format(f"{name}.{attribute}", getattr(cls, attribute), kinds)
    _check_names(cls)
    if misnamed := misnamed_attribute(cls, Job, _MISNAMED):
        raise JobError(f"{name}: the attribute {misnamed}")
    if cls.combiner is not None and cls.reducer is None:
        raise JobError(f"{name} has a combiner but no reducer")
    if cls.combiner is not None and cls.reducer is not None and issubclass(cls.reducer, Aggregate):
        raise JobError(
            f"{name} has a combiner and the aggregate {cls.reducer.__name__}, which combines by "
            "itself; remove the combiner"
        )
    if cls.reducer is Aggregate:
        raise JobError(f"{name}.reducer is Aggregate itself; name one, such as Sum")
    _check_order(cls)
    _check_settings(cls)


def _check_methods(what: str, task: type, bases: tuple[type, ...]) -> None:
    """Raise JobError for a method that nothing would call. An aggregate has no such methods."""
    base = next(each for each in bases if issubclass(task, each))
    if base is Aggregate or issubclass(task, HashPartitioner | TotalOrder):
        return
    if uncalled := uncalled_method(task, base):
        raise JobError(f"{what} is {task.__name__}, a {base.__name__} that {uncalled}")


def _check_format(what: str, value: object, kinds: tuple[type, ...]) -> None:
    if not isinstance(value, kinds):
        words = " or ".join(f"{kind.__name__}()" for kind in kinds)
        raise JobError(f"{what} is {value!r:.80}, not {words}")


def _check_names(cls: type[Job]) -> None:
    """Check named inputs and outputs."""
    for attribute in ("inputs", "outputs"):
        named = getattr(cls, attribute)
        if not isinstance(named, Mapping):
            raise JobError(f"{cls.__name__}.{attribute} is {named!r:.80}, not a dict by name")
        for name in named:
            if not isinstance(name, str) or not name.isidentifier() or name.startswith("_"):
                raise JobError(
                    f"{cls.__name__}.{attribute} has the name {name!r}; names consist of letters "
                    "and digits"
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
        if mapper is not None:
            _check_methods(f"{what}.mapper", mapper, _ROLES["mapper"][0])
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
            f"{name} groups by the first fields of keys, but {aggregate.__name__} counts distinct "
            "values by whole keys; yield keys of these fields only"
        )
    if not cls.sort_values:
        return
    if cls.combiner is not None:
        raise JobError(
            f"{name} sorts values and has a combiner, but the combiner would get unsorted values; "
            "remove one of them"
        )
    if aggregate is not None:
        raise JobError(f"{name} sorts values for {aggregate.__name__}, which needs no order")


def _check_settings(cls: type[Job]) -> None:
    name = cls.__name__
    reducers = cls.num_reducers
    if not (reducers is None or reducers == "auto" or (type(reducers) is int and reducers >= 0)):
        raise JobError(f"{name}.num_reducers is {reducers!r}, not a number of tasks, nor 'auto'")
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


def setting_texts(values: Mapping[str, str | int | float | bool]) -> dict[str, str]:
    """Settings as text."""
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in values.items()
    }


def class_settings(cls: type[Job]) -> dict[str, str]:
    """The settings of the job class, as text; `-D` overrides them."""
    values = setting_texts(cls.conf)
    if cls.num_reducers is not None:
        values["job.reduces"] = str(cls.num_reducers)
    return values
