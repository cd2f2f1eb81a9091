"""Hadoop Streaming's command line, option for option: words in, a description of the job out.

Reads only the files of `-conf`. Source: Hadoop 3.4, HadoopStreaming.md, and the generic options of
CommandsManual.md.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import msgspec

from mrmesos.api.formats import InputFormat, OutputFormat
from mrmesos.io.fs.hadoop_conf import read_properties
from mrmesos.streaming.hadoop_names import new_name, our_settings
from mrmesos.streaming.java_classes import (
    comparator,
    input_format,
    lines_per_map,
    output_format,
    partitioner,
)
from mrmesos.streaming.spec import Fields, Program, ProgramKind, StreamIo, StreamSpec
from mrmesos.streaming.values import BadOption, flag, number, simple_name
from mrmesos.task.files.job_files import named_files


class StreamingOptions(msgspec.Struct, frozen=True):
    """The parsed command line. `settings` have our names. `files` and `archives` are written as for
    `--files`.
    """

    spec: StreamSpec
    inputs: tuple[str, ...]
    output: str
    input_format: InputFormat
    output_format: OutputFormat
    partitioner: str
    num_reducers: int
    settings: Mapping[str, str]
    files: tuple[str, ...] = ()
    archives: tuple[str, ...] = ()
    jobtracker: str = ""
    master: str = ""
    local_agents: int = 0
    background: bool = False
    verbose: bool = False
    profile: str = ""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown != message:
            message = f"unknown option {unknown}; `mrmesos streaming -help` lists all"
        raise BadOption(message.removeprefix("argument "))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="mrmesos streaming", add_help=False, allow_abbrev=False)
    add = parser.add_argument
    for name in ("-input", "-file", "-cacheFile", "-cacheArchive"):  # a shell may expand a pattern
        add(name, action="extend", nargs="+", default=[])
    for name in ("-cmdenv", "-D", "-jobconf", "-conf", "-files", "-archives", "-libjars"):
        add(name, action="append", default=[])
    for name in (
        *("-output", "-mapper", "-combiner", "-reducer", "-partitioner", "-inputformat"),
        *("-outputformat", "-io", "-fs", "-jt", "-inputreader", "-mapdebug", "-reducedebug"),
        *("-additionalconfspec", "-dfs", "--jobtracker", "--master", "--profile"),
    ):
        add(name, default="")
    add("-numReduceTasks", "-numreducetasks", dest="num_reducers", default=None)
    add("--local-agents", type=int, default=0)
    for name in ("-background", "-lazyOutput", "-debug", "-info"):
        add(name, action="store_true")
    add("-verbose", "-v", "--verbose", dest="verbose", action="store_true")
    return parser


def parse_options(words: Sequence[str]) -> StreamingOptions:
    """Read the command line after `streaming`. Raises BadOption."""
    given = _parser().parse_args(list(words))
    _refuse(given)
    properties = _properties(given)
    if not given.input:
        raise BadOption("name the input with -input PATH (it may be given several times)")
    if not given.output:
        raise BadOption("name the directory of the output with -output PATH")
    reducers = _reducers(given, properties)
    spec = _spec(given, properties, reducers)
    _check_io(spec)
    settings = our_settings(properties)
    settings.pop("job.reduces", None)
    settings.setdefault("job.name", _job_name(spec))
    if given.lazyOutput:
        settings["output.lazy"] = "true"
    return StreamingOptions(
        spec=spec,
        inputs=tuple(given.input),
        output=given.output,
        input_format=input_format(given.inputformat, properties),
        output_format=output_format(given.outputformat, properties),
        partitioner=partitioner(given.partitioner, properties)[0],
        num_reducers=reducers,
        settings=settings,
        files=tuple(given.file + given.files + given.cacheFile),
        archives=tuple(given.archives + given.cacheArchive),
        jobtracker=given.jobtracker,
        master=given.master,
        local_agents=given.local_agents,
        background=given.background,
        verbose=given.verbose,
        profile=given.profile,
    )


def _refuse(given: argparse.Namespace) -> None:
    """Refuse options that would need Java. Raises BadOption."""
    for option in ("libjars", "inputreader"):
        if getattr(given, option):
            raise BadOption(f"-{option} needs Java, which mrmesos does not run; leave it out")
    for option in ("mapdebug", "reducedebug"):
        if getattr(given, option):
            raise BadOption(
                f"-{option}: mrmesos runs no script after a failed task; leave it out (the error "
                "shows the end of the task's stderr)"
            )


_RESOLVER = "stream.io.identifier.resolver.class"


def _check_io(spec: StreamSpec) -> None:
    """Refuse binary records if a program of ours reads or writes lines. Raises BadOption."""
    if _RESOLVER in spec.properties:
        raise BadOption(
            f"{_RESOLVER} needs Java, which mrmesos does not run; leave it out, and use -io text, "
            "rawbytes or typedbytes"
        )
    binary = {spec.map_fields.output, spec.reduce_fields.input} - {StreamIo.TEXT}
    if not binary:
        return
    if ProgramKind.AGGREGATE in (spec.reducer.kind, spec.combiner.kind):
        raise BadOption("-reducer aggregate folds lines; leave out -io, or write a reducer")
    if spec.combiner.kind is ProgramKind.COMMAND and spec.sent is None:
        raise BadOption("-combiner with binary records needs a -mapper that is a command")


def _properties(given: argparse.Namespace) -> dict[str, str]:
    """All of Hadoop's settings that the user gave, under their present names."""
    properties: dict[str, str] = {}
    for path in filter(None, (given.additionalconfspec, *given.conf)):
        properties |= _of_file(Path(path))
    for text in (*given.jobconf, *given.D):
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise BadOption(f"-D {text}: expected name=value")
        properties[new_name(name.strip())] = value
    return properties


def _of_file(path: Path) -> dict[str, str]:
    """The settings of a Hadoop configuration file. Raises BadOption."""
    try:
        return {new_name(name): value for name, value in read_properties(path).items()}
    except OSError as problem:
        raise BadOption(f"-conf {path}: {problem.strerror}") from None
    except ValueError as problem:
        raise BadOption(f"-conf {problem}") from None


def _reducers(given: argparse.Namespace, properties: Mapping[str, str]) -> int:
    text = given.num_reducers or properties.get("mapreduce.job.reduces", "1")
    try:
        number = int(text)
    except ValueError:
        number = -1
    if number < 0:
        raise BadOption(f"-numReduceTasks {text}: expected a number of reduces, 0 or more")
    return 0 if given.reducer == "NONE" else number


def _as_sent(command: str, files: Sequence[str]) -> str:
    """The command. If its program is a file that is sent, it has the name that the file has on the
    agent.
    """
    program, space, rest = command.partition(" ")
    for text in named_files(files) if "/" in program else ():
        path, _, name = text.partition("#")
        if Path(path.removeprefix("file://")).resolve() == Path(program).resolve():
            return f"{name or Path(path).name}{space}{rest}"
    return command


def _spec(given: argparse.Namespace, properties: Mapping[str, str], reducers: int) -> StreamSpec:
    sent = (*given.file, *given.files)
    mapper = _program("-mapper", _as_sent(given.mapper, sent))
    none = Program(ProgramKind.NONE)
    reducer = _program("-reducer", _as_sent(given.reducer, sent)) if reducers else none
    combiner = _program("-combiner", _as_sent(given.combiner, sent)) if given.combiner else none
    if mapper.kind is ProgramKind.AGGREGATE:
        raise BadOption("aggregate is a reducer or a combiner, not a mapper")
    if reducer.kind is ProgramKind.AGGREGATE:
        combiner = reducer  # as Hadoop does
    if not reducers:
        combiner = none
    by_lines = simple_name(given.inputformat) == "NLineInputFormat"
    separator = properties.get("mapreduce.map.output.key.field.separator", "\t")
    map_fields = _fields("map", given.io, properties)
    return StreamSpec(
        mapper=mapper,
        combiner=combiner,
        reducer=reducer,
        map_fields=map_fields,
        reduce_fields=_fields("reduce", given.io, properties),
        ignore_key=map_fields.input is StreamIo.TEXT and _ignores_key(given, properties),
        file_by_file=simple_name(given.inputformat) != "CombineTextInputFormat",
        lines_per_child=lines_per_map(properties) if by_lines else 0,
        failure_is_failure=flag(properties, "stream.non.zero.exit.is.failure", default=True),
        comparator=comparator(properties) if reducers else (),
        partitioner=partitioner(given.partitioner, properties)[1],
        field_separator=separator or "\t",
        reporter=_reporter(properties),
        properties=dict(properties),
        environment=_environment(given.cmdenv),
    )


def _reporter(properties: Mapping[str, str]) -> str:
    """The beginning of a line on stderr that is for the engine. Empty if no line is."""
    on = flag(properties, "stream.stderr.reporter.enabled", default=True)
    return properties.get("stream.stderr.reporter.prefix", "reporter:") if on else ""


def _fields(kind: str, io: str, properties: Mapping[str, str]) -> Fields:
    """The form of the records of mappers or reducers. As in Hadoop, `-io` overrides the
    settings.
    """
    fields = f"stream.num.{kind}.output.key.fields"
    return Fields(
        input_separator=properties.get(f"stream.{kind}.input.field.separator", "\t") or "\t",
        output_separator=properties.get(f"stream.{kind}.output.field.separator", "\t") or "\t",
        key_fields=number(fields, properties.get(fields, "1"), 0),
        input=_io("-io", io) if io else _io_setting(f"stream.{kind}.input", properties),
        output=_io("-io", io) if io else _io_setting(f"stream.{kind}.output", properties),
    )


def _io_setting(name: str, properties: Mapping[str, str]) -> StreamIo:
    return _io(name, properties.get(name, "") or StreamIo.TEXT)


def _io(name: str, text: str) -> StreamIo:
    try:
        return StreamIo(text)
    except ValueError:
        known = ", ".join(StreamIo)
        raise BadOption(f"{name} {text}: mrmesos has {known}") from None


_IDENTITY = frozenset({"IdentityMapper", "IdentityReducer", "Mapper", "Reducer"})
_AGGREGATE = frozenset({"aggregate", "valueaggregatorreducer", "valueaggregatorcombiner"})


def _program(option: str, text: str) -> Program:
    """A command or one of Hadoop's classes. Raises BadOption."""
    if not text or simple_name(text) in _IDENTITY:
        return Program(ProgramKind.IDENTITY)
    if simple_name(text).lower() in _AGGREGATE:
        return Program(ProgramKind.AGGREGATE)
    if text.startswith(("org.apache.hadoop.", "com.")):
        raise BadOption(
            f"{option} {text} is a Java class, and mrmesos runs no Java; write the command of a "
            "program instead"
        )
    try:
        command = _words(text)
    except ValueError as problem:
        raise BadOption(f"{option} {text!r}: {problem}") from None
    if not command:
        raise BadOption(f"{option} is empty; write the command of a program")
    return Program(ProgramKind.COMMAND, command)


def _words(text: str) -> tuple[str, ...]:
    """A command's words. As in Hadoop, quotes group words, and a backslash has no special meaning.

    Raises ValueError if a quote is not closed.
    """
    lexer = shlex.shlex(text, posix=True)
    lexer.whitespace_split, lexer.commenters, lexer.escape = True, "", ""
    return tuple(lexer)


def _ignores_key(given: argparse.Namespace, properties: Mapping[str, str]) -> bool:
    """Whether mappers get only values. As in Hadoop, by default this holds only for
    TextInputFormat.
    """
    text = simple_name(given.inputformat) in ("", "TextInputFormat")
    return flag(properties, "stream.map.input.ignoreKey", default=text)


def _environment(given: Sequence[str]) -> dict[str, str]:
    environment = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise BadOption(f"-cmdenv {text}: expected NAME=VALUE")
        environment[name] = value
    return environment


def _job_name(spec: StreamSpec) -> str:
    """The job's name. Hadoop names streaming jobs after their jar; the commands say more."""
    parts = [spec.mapper.words]
    if spec.reducer.kind is not ProgramKind.NONE:
        parts.append(spec.reducer.words)
    return " | ".join(Path(part.split(" ")[0]).name for part in parts)
