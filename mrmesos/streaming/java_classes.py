"""Translates names of Hadoop's Java classes to our formats, comparators and partitioners.

In: names of classes and Hadoop's settings. Out: formats and ranges of keys, or BadOption.
Source: Hadoop 3.4, org.apache.hadoop.mapred.lib and mapred-default.xml.
"""

from __future__ import annotations

from collections.abc import Mapping

from mrmesos.api.formats import (
    InputFormat,
    KeyValueTextInput,
    NullOutput,
    OutputFormat,
    TextInput,
    TextOutput,
)
from mrmesos.io.input.formats.planning import DELIMITER_MAX
from mrmesos.streaming.key_fields import BadKeyOptions, KeyRange, parse_ranges
from mrmesos.streaming.values import BadOption, flag, number, simple_name

Properties = Mapping[str, str]

LINES_PER_MAP = "mapreduce.input.lineinputformat.linespermap"
_COMPRESS = "mapreduce.output.fileoutputformat.compress"
_PARTITIONER = "mapreduce.partition.keypartitioner"
_COMPARATOR = "mapreduce.job.output.key.comparator.class"


def input_format(given: str, properties: Properties) -> InputFormat:
    """The format of `-inputformat`. Raises BadOption."""
    name, delimiter = simple_name(given), _delimiter(properties)
    if delimiter and name in ("NLineInputFormat", "KeyValueTextInputFormat"):
        raise BadOption(f"{_DELIMITER}: {name} reads lines; leave it out")
    match name:
        case "" | "TextInputFormat":
            return TextInput(encoding="", delimiter=delimiter, empty_files=True)
        case "CombineTextInputFormat":
            return TextInput(encoding="", delimiter=delimiter)
        case "NLineInputFormat":
            return TextInput(encoding="", lines_per_map=lines_per_map(properties))
        case "KeyValueTextInputFormat":
            key = "mapreduce.input.keyvaluelinerecordreader.key.value.separator"
            separator = properties.get(key, "\t")
            return KeyValueTextInput(encoding="", separator=separator, empty_files=True)
        case sequence if sequence.startswith("SequenceFile"):
            raise BadOption(
                f"-inputformat {given}: mrmesos does not read SequenceFiles; write the input again "
                "as text: hadoop fs -text FILE | hadoop fs -put - TEXT"
            )
    raise BadOption(
        f"-inputformat {given}: mrmesos has TextInputFormat, KeyValueTextInputFormat, "
        "NLineInputFormat and CombineTextInputFormat"
    )


_DELIMITER = "textinputformat.record.delimiter"


def _delimiter(properties: Properties) -> bytes:
    """The bytes that end a record; none for lines. Raises BadOption."""
    delimiter = properties.get(_DELIMITER, "").encode("utf-8", "surrogateescape")
    if len(delimiter) > DELIMITER_MAX:
        raise BadOption(f"{_DELIMITER}: write at most {DELIMITER_MAX} bytes")
    return delimiter


def lines_per_map(properties: Properties) -> int:
    """The number of lines of NLineInputFormat. Raises BadOption."""
    return number(LINES_PER_MAP, properties.get(LINES_PER_MAP, "1"), 1)


_CODECS = {
    "": "gzip",  # Hadoop's DefaultCodec is raw deflate, which few programs read
    "DefaultCodec": "gzip",
    "GzipCodec": "gzip",
    "BZip2Codec": "bz2",
    "ZStandardCodec": "zstd",
    "Lz4Codec": "lz4",
}


def output_format(given: str, properties: Properties) -> OutputFormat:
    """The format of `-outputformat`. Raises BadOption."""
    name = simple_name(given)
    if name == "NullOutputFormat":
        return NullOutput()
    if name not in ("", "TextOutputFormat"):
        raise BadOption(f"-outputformat {given}: mrmesos has TextOutputFormat and NullOutputFormat")
    codec = "none"
    if flag(properties, _COMPRESS, default=False):
        named = simple_name(properties.get(f"{_COMPRESS}.codec", ""))
        if named not in _CODECS:
            known = ", ".join(filter(None, _CODECS))
            raise BadOption(f"{_COMPRESS}.codec={named}: mrmesos has {known}")
        codec = _CODECS[named]
    separator = properties.get("mapreduce.output.textoutputformat.separator", "\t")
    return TextOutput(separator=separator, compression=codec, short_names=True)


def comparator(properties: Properties) -> tuple[KeyRange, ...]:
    """The ranges to sort by; none without a comparator. Raises BadOption."""
    name = simple_name(properties.get(_COMPARATOR, ""))
    if not name:
        return ()
    if name != "KeyFieldBasedComparator":
        raise BadOption(
            f"the comparator {name} is a Java class; mrmesos has KeyFieldBasedComparator"
        )
    return _ranges(properties.get("mapreduce.partition.keycomparator.options", ""))


def partitioner(given: str, properties: Properties) -> tuple[str, tuple[KeyRange, ...]]:
    """The class of our partitioner, and the ranges that choose the reduce. Raises BadOption."""
    named = given or properties.get("mapreduce.job.partitioner.class", "")
    match simple_name(named):
        case "" | "HashPartitioner":
            return "HashPartitioner", ()
        case "TotalOrderPartitioner":
            return "TotalOrder", ()
        case "KeyFieldBasedPartitioner":
            options = properties.get(f"{_PARTITIONER}.options", "")
            if options:
                return "KeyFieldPartitioner", _ranges(options)
            fields = properties.get(f"{_PARTITIONER}.num.key.fields", "")
            last = number(f"{_PARTITIONER}.num.key.fields", fields, 1) if fields else 0
            return "KeyFieldPartitioner", (KeyRange(last_field=last),)
    raise BadOption(
        f"-partitioner {named}: mrmesos has HashPartitioner, KeyFieldBasedPartitioner and "
        "TotalOrderPartitioner"
    )


def _ranges(text: str) -> tuple[KeyRange, ...]:
    try:
        return parse_ranges(text)
    except BadKeyOptions as problem:
        raise BadOption(str(problem)) from None
