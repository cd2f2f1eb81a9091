"""Hadoop Streaming's command line, option for option: words in, a description of the job out.

Reads no files but those of `-conf`. Source: Hadoop 3.4, HadoopStreaming.md, and the generic options
of CommandsManual.md.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from mrmesos.api.formats import InputFormat, KeyValueTextInput, OutputFormat, TextInput, TextOutput
from mrmesos.io.fs.hadoop_conf import read_properties
from mrmesos.io.input.formats.planning import DELIMITER_MAX
from mrmesos.streaming.hadoop_names import new_name, our_settings
from mrmesos.streaming.key_fields import BadKeyOptions, KeyRange, parse_ranges
from mrmesos.streaming.spec import Fields, Program, ProgramKind, StreamSpec


class BadOption(Exception):
    """The command line has to be changed. The message says how, in one line."""


@dataclass(frozen=True, slots=True)
class StreamingOptions:
    """What a command line asks for. `settings` are ours; `files` and `archives` as `--files`."""

    spec: StreamSpec
    inputs: tuple[str, ...]
    output: str
    input_format: InputFormat
    output_format: OutputFormat
    num_reducers: int
    settings: Mapping[str, str]
    files: tuple[str, ...] = ()
    archives: tuple[str, ...] = ()
    jobtracker: str = ""
    master: str = ""
    local_agents: int = 0
    background: bool = False
    verbose: bool = False
    ignored: tuple[str, ...] = field(default=())
    """Options that have no meaning here, as the user wrote them."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadOption(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="mrmesos streaming", add_help=False, allow_abbrev=False)
    add = parser.add_argument
    for name in ("-input", "-file", "-cmdenv", "-D", "-jobconf", "-conf"):
        add(name, action="append", default=[])
    for name in ("-files", "-archives", "-cacheFile", "-cacheArchive", "-libjars"):
        add(name, action="append", default=[])
    for name in (
        *("-output", "-mapper", "-combiner", "-reducer", "-partitioner", "-inputformat"),
        *("-outputformat", "-io", "-fs", "-jt", "-inputreader", "-mapdebug", "-reducedebug"),
        *("-additionalconfspec", "-dfs", "--jobtracker", "--master"),
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
    settings = our_settings(properties)
    settings.pop("job.reduces", None)
    settings.setdefault("job.name", _job_name(spec))
    return StreamingOptions(
        spec=spec,
        inputs=tuple(given.input),
        output=given.output,
        input_format=_input_format(given, properties),
        output_format=_output_format(given, properties),
        num_reducers=reducers,
        settings=settings,
        files=tuple(given.file + given.files + given.cacheFile),
        archives=tuple(given.archives + given.cacheArchive),
        jobtracker=given.jobtracker,
        master=given.master,
        local_agents=given.local_agents,
        background=given.background,
        verbose=given.verbose,
        ignored=("-lazyOutput",) if given.lazyOutput else (),
    )


def _refuse(given: argparse.Namespace) -> None:
    """Refuse what would need Java. Raises BadOption."""
    for option in ("libjars", "inputreader", "mapdebug", "reducedebug"):
        if getattr(given, option):
            raise BadOption(f"-{option} needs Java, which mrmesos does not run; leave it out")
    if given.io not in ("", "text"):
        raise BadOption(f"-io {given.io} is not supported yet; use -io text")


def _properties(given: argparse.Namespace) -> dict[str, str]:
    """All of Hadoop's settings that the user gave, under their present names."""
    properties: dict[str, str] = {}
    for path in given.conf:
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


def _spec(given: argparse.Namespace, properties: Mapping[str, str], reducers: int) -> StreamSpec:
    mapper = _program("-mapper", given.mapper)
    none = Program(ProgramKind.NONE)
    reducer = _program("-reducer", given.reducer) if reducers else none
    combiner = _program("-combiner", given.combiner) if given.combiner else none
    if ProgramKind.AGGREGATE in (mapper.kind, combiner.kind) and given.combiner != "aggregate":
        raise BadOption("aggregate is a reducer or a combiner, not a mapper")
    if reducer.kind is ProgramKind.AGGREGATE and combiner is none:
        combiner = reducer  # as Hadoop does
    if not reducers:
        combiner = none
    lines = properties.get("mapreduce.input.lineinputformat.linespermap", "1")
    by_lines = _simple(given.inputformat) == "NLineInputFormat"
    separator = properties.get("mapreduce.map.output.key.field.separator", "\t")
    return StreamSpec(
        mapper=mapper,
        combiner=combiner,
        reducer=reducer,
        map_fields=_fields("map", properties),
        reduce_fields=_fields("reduce", properties),
        ignore_key=_ignores_key(given, properties),
        file_by_file=_simple(given.inputformat) != "CombineTextInputFormat",
        lines_per_child=_number("linespermap", lines, 1) if by_lines else 0,
        failure_is_failure=_flag(properties, "stream.non.zero.exit.is.failure", default=True),
        comparator=_comparator(properties) if reducers else (),
        partitioner=_partitioner(given, properties),
        field_separator=separator or "\t",
        properties=dict(properties),
        environment=_environment(given.cmdenv),
    )


def _fields(kind: str, properties: Mapping[str, str]) -> Fields:
    """How lines of mappers or reducers are cut."""
    fields = f"stream.num.{kind}.output.key.fields"
    return Fields(
        input_separator=properties.get(f"stream.{kind}.input.field.separator", "\t") or "\t",
        output_separator=properties.get(f"stream.{kind}.output.field.separator", "\t") or "\t",
        key_fields=_number(fields, properties.get(fields, "1"), 0),
    )


_IDENTITY = frozenset({"IdentityMapper", "IdentityReducer", "Mapper", "Reducer"})


def _program(option: str, text: str) -> Program:
    """A command or one of Hadoop's classes. Raises BadOption."""
    if not text or _simple(text) in _IDENTITY:
        return Program(ProgramKind.IDENTITY)
    if text == "aggregate":
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
    """A command's words. As in Hadoop, quotes group words; a backslash is like any character.

    Raises ValueError if a quote is not closed.
    """
    lexer = shlex.shlex(text, posix=True)
    lexer.whitespace_split, lexer.commenters, lexer.escape = True, "", ""
    return tuple(lexer)


def _simple(name: str) -> str:
    """The name of a Java class without its package."""
    return name.rpartition(".")[2]


def _ignores_key(given: argparse.Namespace, properties: Mapping[str, str]) -> bool:
    """Whether mappers see values only: as in Hadoop so for TextInputFormat alone, by default."""
    text = _simple(given.inputformat) in ("", "TextInputFormat")
    return _flag(properties, "stream.map.input.ignoreKey", default=text)


def _comparator(properties: Mapping[str, str]) -> tuple[KeyRange, ...]:
    name = _simple(properties.get("mapreduce.job.output.key.comparator.class", ""))
    if not name:
        return ()
    if name != "KeyFieldBasedComparator":
        raise BadOption(
            f"the comparator {name} is a Java class; mrmesos has KeyFieldBasedComparator"
        )
    return _ranges(properties.get("mapreduce.partition.keycomparator.options", ""))


def _partitioner(given: argparse.Namespace, properties: Mapping[str, str]) -> tuple[KeyRange, ...]:
    given_class = given.partitioner or properties.get("mapreduce.job.partitioner.class", "")
    name = _simple(given_class)
    if name in ("", "HashPartitioner"):
        return ()
    if name != "KeyFieldBasedPartitioner":
        raise BadOption(
            f"-partitioner {given_class}: mrmesos has HashPartitioner and KeyFieldBasedPartitioner"
        )
    options = properties.get("mapreduce.partition.keypartitioner.options", "")
    if options:
        return _ranges(options)
    number = properties.get("mapreduce.partition.keypartitioner.num.key.fields", "")
    fields = _number("num.key.fields", number, 1) if number else 0
    return (KeyRange(last_field=fields),)


def _ranges(text: str) -> tuple[KeyRange, ...]:
    try:
        return parse_ranges(text)
    except BadKeyOptions as problem:
        raise BadOption(str(problem)) from None


_DELIMITER = "textinputformat.record.delimiter"


def _input_format(given: argparse.Namespace, properties: Mapping[str, str]) -> InputFormat:
    name = _simple(given.inputformat)
    delimiter = properties.get(_DELIMITER, "").encode("utf-8", "surrogateescape")
    if len(delimiter) > DELIMITER_MAX:
        raise BadOption(f"{_DELIMITER}: write at most {DELIMITER_MAX} bytes")
    if name in ("", "TextInputFormat", "NLineInputFormat", "CombineTextInputFormat"):
        return TextInput(encoding="", delimiter=delimiter)
    if name == "KeyValueTextInputFormat":
        if delimiter:
            raise BadOption(f"{_DELIMITER}: KeyValueTextInputFormat reads lines; leave it out")
        key = "mapreduce.input.keyvaluelinerecordreader.key.value.separator"
        return KeyValueTextInput(encoding="", separator=properties.get(key, "\t"))
    if name.startswith("SequenceFile"):
        raise BadOption(
            f"-inputformat {given.inputformat}: mrmesos does not read SequenceFiles; write the "
            "input again as text: hadoop fs -text FILE | hadoop fs -put - TEXT"
        )
    raise BadOption(
        f"-inputformat {given.inputformat}: mrmesos has TextInputFormat, KeyValueTextInputFormat, "
        "NLineInputFormat and CombineTextInputFormat"
    )


_CODECS = {
    "": "gzip",  # Hadoop's DefaultCodec is raw deflate, which few programs read
    "DefaultCodec": "gzip",
    "GzipCodec": "gzip",
    "BZip2Codec": "bz2",
    "ZStandardCodec": "zstd",
    "Lz4Codec": "lz4",
}


def _output_format(given: argparse.Namespace, properties: Mapping[str, str]) -> OutputFormat:
    name = _simple(given.outputformat)
    if name not in ("", "TextOutputFormat"):
        raise BadOption(f"-outputformat {given.outputformat}: mrmesos has TextOutputFormat")
    key = "mapreduce.output.fileoutputformat.compress"
    codec = "none"
    if _flag(properties, key, default=False):
        named = _simple(properties.get(f"{key}.codec", ""))
        if named not in _CODECS:
            known = ", ".join(filter(None, _CODECS))
            raise BadOption(f"{key}.codec={named}: mrmesos has {known}")
        codec = _CODECS[named]
    separator = properties.get("mapreduce.output.textoutputformat.separator", "\t")
    return TextOutput(separator=separator, compression=codec)


def _environment(given: Sequence[str]) -> dict[str, str]:
    environment = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise BadOption(f"-cmdenv {text}: expected NAME=VALUE")
        environment[name] = value
    return environment


def _number(name: str, text: str, least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise BadOption(f"{name}={text}: expected a number, at least {least}")
    return number


def _flag(properties: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = properties.get(name, "").strip().lower()
    if text not in ("", "true", "false"):
        raise BadOption(f"{name}={text}: expected true or false")
    return text == "true" if text else default


def _job_name(spec: StreamSpec) -> str:
    """Hadoop names streaming jobs after their jar; the commands tell more."""
    parts = [spec.mapper.words]
    if spec.reducer.kind is not ProgramKind.NONE:
        parts.append(spec.reducer.words)
    return " | ".join(Path(part.split(" ")[0]).name for part in parts)
