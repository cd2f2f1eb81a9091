"""Reads an MRJob class in the client: its steps, settings and files. Raises BadMRJob."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mrmesos.mrjob.task import MRTask, SubStep, WorkKind
from mrmesos.streaming.options import parse_options
from mrmesos.streaming.spec import StreamSpec
from mrmesos.streaming.values import BadOption

_MRJOB = "mrjob.job"
_LOOPS = ("map_pairs", "combine_pairs", "run_mapper", "run_combiner", "run_reducer")
"""Methods of mrjob that other code replaces here."""
_HASH = "org.apache.hadoop.mapred.lib.HashPartitioner"


class BadMRJob(Exception):
    """The class cannot run here. The message says why, in one line."""


class MRProgram(msgspec.Struct, frozen=True):
    """All steps. `files`, `archives` and `dirs` are paths, or `PATH#NAME`."""

    name: str
    tasks: tuple[MRTask, ...]
    settings: tuple[Mapping[str, str], ...]
    """Our settings of each step, translated from Hadoop's."""
    sort_values: bool
    files: tuple[str, ...]
    archives: tuple[str, ...]
    dirs: tuple[str, ...]
    ignored: tuple[str, ...] = ()
    """Attributes without effect here, such as `HADOOP_INPUT_FORMAT = …`."""


def read_program(cls: Any, words: Sequence[str]) -> MRProgram:
    """Make an object of the class with the words of the command line, and ask it for its steps."""
    job = _made(cls, words)
    name = cls.__name__
    for method in _LOOPS:
        if getattr(cls, method).__module__ != _MRJOB:
            raise BadMRJob(f"{name} has its own {method}, which is not called here; use -r hadoop")
    steps, described = job.steps(), job._steps_desc()
    if not steps:
        raise BadMRJob(f"{name} has no steps: define a mapper or a reducer")
    given = job._job_kwargs()
    args, sent = _task_args(job)
    tasks: list[MRTask] = []
    settings: list[Mapping[str, str]] = []
    for number, step in enumerate(described):
        if step["type"] != "streaming":
            raise BadMRJob(
                f"{name}: step {number + 1} is a {step['type']} step, which needs Java or Spark; "
                "mrmesos runs mappers and reducers"
            )
        jobconf = {**given["jobconf"], **step.get("jobconf", {})}
        stream, own = _streaming(name, given["partitioner"], jobconf, job.options.cmdenv or {})
        mapper = _work(step, "mapper")
        if step.get("input_manifest"):
            mapper = SubStep(WorkKind.RAW)
        elif mapper.kind is WorkKind.NONE:
            mapper = SubStep(WorkKind.IDENTITY)
        task = MRTask(
            cls, number, args, mapper, _work(step, "combiner"), _work(step, "reducer"), stream
        )
        if mapper.kind is WorkKind.RAW and number:
            raise BadMRJob(f"{name}: only the first step can have a mapper_raw")
        tasks.append(task)
        settings.append(own)
    formats = ("hadoop_input_format", "hadoop_output_format")
    found = {each: getattr(job, each)() for each in formats}
    return MRProgram(
        name,
        tuple(tasks),
        tuple(settings),
        bool(given["sort_values"]),
        (*given["upload_files"], *sent),
        tuple(given["upload_archives"]),
        tuple(given["upload_dirs"]),
        tuple(f"{each.upper()} = {value}" for each, value in found.items() if value),
    )


def _made(cls: Any, words: Sequence[str]) -> Any:
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return cls(list(words))
    except ValueError as problem:  # mrjob exits like this if arguments are wrong
        raise BadMRJob(f"{' '.join(str(problem).split())} (its arguments: -- --help)") from None
    except SystemExit as problem:
        if not problem.code:
            raise
        lines = said.getvalue().strip().splitlines() or [f"exit code {problem.code}"]
        raise BadMRJob(f"{lines[-1]} (its arguments: -- --help)") from None


def _work(step: Mapping[str, Any], what: str) -> SubStep:
    given = step.get(what)
    if given is None:
        return SubStep()
    if given["type"] == "command":
        return SubStep(WorkKind.COMMAND, given["command"])
    return SubStep(WorkKind.SCRIPT, given.get("pre_filter", ""))


def _task_args(job: Any) -> tuple[tuple[str, ...], list[str]]:
    """The command-line words for tasks, and the files that they name. In tasks, a file has only its
    name.
    """
    words: list[str] = []
    sent: list[str] = []
    for each in job._non_option_kwargs()["extra_args"]:
        if not isinstance(each, dict):
            words.append(str(each))
            continue
        path = each["path"]
        name = each["name"] or path.rstrip("/").rpartition("/")[2]
        sent.append(f"{path}#{name}")
        words.append(name)
    return tuple(words), sent


def _streaming(
    name: str, partitioner: str | None, jobconf: Mapping[str, Any], cmdenv: Mapping[str, str]
) -> tuple[StreamSpec, Mapping[str, str]]:
    """Hadoop's settings about keys and tasks, read as `mrmesos streaming` reads them."""
    words = ["-input", "-", "-output", "-", "-mapper", "cat", "-reducer", "cat"]
    if partitioner and partitioner != _HASH:
        words += ["-partitioner", partitioner]
    for key, value in cmdenv.items():
        words += ["-cmdenv", f"{key}={value}"]
    for key, value in jobconf.items():
        if value is not None:
            shown = str(value).lower() if isinstance(value, bool) else str(value)
            words += ["-D", f"{key}={shown}"]
    try:
        options = parse_options(words)
    except BadOption as problem:
        raise BadMRJob(f"{name}: {problem}") from None
    if any("TotalOrderPartitioner" in word for word in words):
        raise BadMRJob(f"{name}: TotalOrderPartitioner is not supported here; use -r hadoop")
    settings = {**options.settings, "job.reduces": str(options.num_reducers)}
    settings.pop("job.name", None)
    return options.spec, settings
