"""Hadoop Streaming's command line, option for option."""

from __future__ import annotations

from pathlib import Path

import pytest

from mrmesos.api.formats import KeyValueTextInput, NullOutput, TextInput, TextOutput
from mrmesos.streaming.java_classes import LINES_PER_MAP
from mrmesos.streaming.options import parse_options
from mrmesos.streaming.spec import Program, ProgramKind, StreamIo
from mrmesos.streaming.values import BadOption
from tests.streaming.support import options


def test_a_usual_command_line() -> None:
    found = parse_options(
        [
            *("-D", "mapred.reduce.tasks=3", "-Dmapreduce.map.memory.mb=2048"),
            *("-D", "mapreduce.task.timeout=5000", "-D", "my.own=x=y"),
            *("-files", "m.py,r.py#reduce.py", "-archives", "a.tgz#a", "-file", "more.txt"),
            *("-input", "a,b", "-input", "c/*", "-output", "o"),
            *("-mapper", "python3 m.py 'two words'", "-reducer", "reduce.py"),
            *("-cmdenv", "LANG=C", "-verbose"),
        ]
    )
    assert found.inputs == ("a,b", "c/*")
    assert found.spec.mapper == Program(ProgramKind.COMMAND, ("python3", "m.py", "two words"))
    assert found.spec.environment == {"LANG": "C"}
    assert found.num_reducers == 3
    assert found.settings["map.memory.mb"] == "2048"
    assert found.settings["task.timeout"] == "5.0"
    assert found.spec.properties["mapreduce.job.reduces"] == "3"
    assert found.spec.properties["my.own"] == "x=y"
    assert found.files == ("more.txt", "m.py,r.py#reduce.py")
    assert found.archives == ("a.tgz#a",)
    assert (found.input_format, found.output_format) == (
        TextInput(encoding="", empty_files=True),
        TextOutput(short_names=True),
    )


def test_a_backslash_is_a_character_as_in_hadoop() -> None:
    assert options("-mapper", r"sed s/\t/x/").spec.mapper.command == ("sed", r"s/\t/x/")


def test_without_commands_records_go_through() -> None:
    spec = options().spec
    assert (spec.mapper.kind, spec.reducer.kind) == (ProgramKind.IDENTITY, ProgramKind.IDENTITY)


@pytest.mark.parametrize("words", [("-reducer", "NONE"), ("-numReduceTasks", "0")])
def test_no_reduces(words: tuple[str, ...]) -> None:
    found = options("-mapper", "cat", "-combiner", "cat", *words)
    assert (found.num_reducers, found.spec.reducer.kind) == (0, ProgramKind.NONE)
    assert found.spec.combiner.kind is ProgramKind.NONE


def test_aggregate_combines_too() -> None:
    spec = options("-mapper", "cat", "-reducer", "aggregate").spec
    assert (spec.combiner.kind, spec.reducer.kind) == (ProgramKind.AGGREGATE, ProgramKind.AGGREGATE)


def test_key_values_keep_their_keys() -> None:
    found = options("-D", "textinputformat.record.delimiter=|\n|")
    assert found.input_format == TextInput("", delimiter=b"|\n|", empty_files=True)
    found = options("-inputformat", "org.apache.hadoop.mapred.KeyValueTextInputFormat")
    assert isinstance(found.input_format, KeyValueTextInput)
    assert not found.spec.ignore_key
    assert options().spec.ignore_key


def test_settings_of_a_file_and_of_the_command_line(tmp_path: Path) -> None:
    conf = tmp_path / "job.xml"
    conf.write_text(
        "<configuration><property><name>mapred.reduce.tasks</name><value>7</value></property>"
        "<property><name>a.b</name><value>c</value></property></configuration>"
    )
    assert options("-conf", str(conf)).num_reducers == 7
    found = options("-conf", str(conf), "-D", "mapreduce.job.reduces=2")
    assert (found.num_reducers, found.spec.properties["a.b"]) == (2, "c")


def test_gzip_output() -> None:
    key = "mapred.output.compress"
    assert options("-D", f"{key}=true").output_format == TextOutput(
        compression="gzip", short_names=True
    )
    codec = "mapred.output.compression.codec=org.apache.hadoop.io.compress.BZip2Codec"
    found = options("-D", f"{key}=true", "-D", codec)
    assert found.output_format == TextOutput(compression="bz2", short_names=True)


@pytest.mark.parametrize(
    ("words", "say"),
    [
        (("-libjars", "a.jar"), "-libjars needs Java"),
        (("-mapper", "org.apache.hadoop.examples.WordCount"), "is a Java class"),
        (("-mapper", "aggregate"), "not a mapper"),
        (("-mapper", "cat 'x"), "-mapper"),
        (("-numReduceTasks", "many"), "expected a number of reduces"),
        (("-D", "novalue"), "expected name=value"),
        (("-cmdenv", "=x"), "expected NAME=VALUE"),
        (("-inputformat", "org.example.MyFormat"), "-inputformat"),
        (("-inputformat", "SequenceFileAsTextInputFormat"), "does not read SequenceFiles; write"),
        (("-outputformat", "org.example.MyFormat"), "-outputformat"),
        (("-partitioner", "org.example.Mine"), "-partitioner"),
        (("-D", "mapred.output.key.comparator.class=org.example.Mine"), "is a Java class"),
        (("-conf", "/no/such/file"), "-conf /no/such/file"),
        (
            ("-inputformat", "NLineInputFormat", "-D", "textinputformat.record.delimiter=|"),
            "NLineInputFormat reads lines",
        ),
        (("-io", "avro"), "-io avro: mrmesos has text, rawbytes, typedbytes"),
        (("-D", "stream.map.output=x"), "stream.map.output x"),
        (("-D", "stream.io.identifier.resolver.class=org.x.Y"), "needs Java"),
        (("-io", "rawbytes", "-mapper", "cat", "-reducer", "aggregate"), "folds lines"),
        (("-io", "typedbytes", "-combiner", "cat"), "-mapper that is a command"),
        (
            ("-inputformat", "NLineInputFormat", "-D", f"{LINES_PER_MAP}=0"),
            "at least 1",
        ),
        (("-nosuch", "x"), "-nosuch"),
        (("-mapper",), "-mapper"),
        (("-D", "stream.non.zero.exit.is.failure=maybe"), "expected true or false"),
    ],
)
def test_what_cannot_be_is_one_clear_line(words: tuple[str, ...], say: str) -> None:
    with pytest.raises(BadOption) as caught:
        options(*words)
    assert say in str(caught.value)
    assert "\n" not in str(caught.value)


def test_input_and_output_are_needed() -> None:
    with pytest.raises(BadOption, match="-input PATH"):
        parse_options(["-output", "o"])
    with pytest.raises(BadOption, match="-output PATH"):
        parse_options(["-input", "i"])


def test_a_separator_of_a_file_may_be_a_space(tmp_path: Path) -> None:
    conf = tmp_path / "job.xml"
    name = "stream.map.output.field.separator"
    conf.write_text(f"<c><property><name> {name} </name><value> </value></property></c>")
    assert options("-conf", str(conf)).spec.map_fields.output_separator == " "


def test_io_of_each_side() -> None:
    both = options("-mapper", "cat", "-io", "typedbytes", "-D", "stream.map.input=text").spec
    sides = (both.map_fields, both.reduce_fields)
    assert {io for side in sides for io in (side.input, side.output)} == {StreamIo.TYPEDBYTES}
    assert not both.ignore_key
    one = options("-mapper", "cat", "-D", "stream.map.output=rawbytes").spec
    assert (one.map_fields.input, one.map_fields.output) == (StreamIo.TEXT, StreamIo.RAWBYTES)
    assert one.ignore_key


def test_formats_and_partitioners_of_ours() -> None:
    found = options(
        *("-partitioner", "org.apache.hadoop.mapred.lib.TotalOrderPartitioner"),
        *("-inputformat", "org.apache.hadoop.mapred.lib.NLineInputFormat"),
        *("-outputformat", "org.apache.hadoop.mapred.lib.NullOutputFormat"),
        *("-D", "mapred.line.input.format.linespermap=3", "-lazyOutput"),
    )
    assert found.partitioner == "TotalOrder"
    assert found.input_format == TextInput(encoding="", lines_per_map=3)
    assert found.output_format == NullOutput()
    assert found.settings["output.lazy"] == "true"


def test_several_paths_after_one_option() -> None:
    found = parse_options(
        (
            "-input",
            "a",
            "b,c",
            "-input",
            "d",
            "-output",
            "o",
            "-file",
            "x.py",
            "y.py",
            "-mapper",
            "cat",
        )
    )
    assert found.inputs == ("a", "b,c", "d")
    assert found.files == ("x.py", "y.py")


def test_a_program_that_is_sent_is_named_as_it_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "map.py"
    for files, name in (
        (("-file", str(path)), "map.py"),
        (("-files", f"{path}#m.py"), "m.py"),
        (("-files", f"file://{path}"), "map.py"),
        ((), str(path)),
    ):
        assert options("-mapper", f"{path} -v 'a b'", *files).spec.mapper.command == (
            name,
            "-v",
            "a b",
        )


@pytest.mark.parametrize(
    "reducer",
    ["Aggregate", "org.apache.hadoop.mapred.lib.aggregate.ValueAggregatorReducer"],
)
def test_names_of_aggregate(reducer: str) -> None:
    spec = options("-mapper", "cat", "-reducer", reducer, "-combiner", "cat").spec
    assert spec.reducer.kind is spec.combiner.kind is ProgramKind.AGGREGATE


def test_joined_settings_and_their_order() -> None:
    found = parse_options(
        ("-mapper", "cat", "-input", "a", "-Dmapred.reduce.tasks=3", "-output", "o", "-D", "x=1=2")
    )
    assert found.num_reducers == 3
    assert found.spec.properties["x"] == "1=2"


def test_the_reporter_of_stderr() -> None:
    assert options("-D", "stream.stderr.reporter.prefix=rep:").spec.reporter == "rep:"
    assert options("-D", "stream.stderr.reporter.enabled=false").spec.reporter == ""
