"""The workloads: each is an operation on a dataset, with settings for our engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from benchmarks import datasets
from benchmarks.datasets import Dataset


class Operation(StrEnum):
    """An operation of a system on a file."""

    WORDCOUNT = "wordcount"
    """Counts of each word; spaces separate words."""
    WORDCOUNT_TABS = "wordcount-tabs"
    """The same counts of text that also has tabs between words."""
    SORT = "sort"
    """Lines by their first ten bytes, into files that are in order one after another."""
    GROUPSUM = "groupsum"
    """The sum of the integers of each key of `key TAB integer`."""
    STREAMING = "streaming"
    """The same counts, by commands that read and write lines."""
    MRJOB = "mrjob"
    """The same counts, by a job of mrjob's."""
    NOTHING = "nothing"
    """Read everything, write nothing."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One table of the report.

    `settings` are for our engine (`-D`). `systems` run it if nobody asks for others; `mrmesos` is
    all our own rows. `peers` is False if only our own engine can run it. `default` is False if it
    runs only when its name is asked for. `disk` is for large inputs: the bytes that must be free
    before the input is made. Such a workload runs once, and then its input is removed.
    """

    name: str
    title: str
    operation: Operation
    dataset: Dataset
    settings: Mapping[str, str] = field(default_factory=dict)
    systems: tuple[str, ...] = ("mrmesos",)
    peers: bool = True
    default: bool = True
    disk: int = 0


@dataclass(frozen=True, slots=True)
class Size:
    """How big the workloads are, in bytes, lines, keys, files or tasks."""

    text: int
    few: int
    vocabulary: int
    tera_lines: int
    big_tera_lines: int
    pair_lines: int
    pair_keys: int
    one_key_lines: int
    tiny_files: int
    line: int
    partitions: int
    empty_maps: int


MILLION = 1_000_000
SIZES = {
    "tiny": Size(
        text=300_000,
        few=300_000,
        vocabulary=20_000,
        tera_lines=3_000,
        big_tera_lines=6_000,
        pair_lines=20_000,
        pair_keys=2_000,
        one_key_lines=20_000,
        tiny_files=30,
        line=300_000,
        partitions=20,
        empty_maps=20,
    ),
    "small": Size(
        text=30 * MILLION,
        few=10 * MILLION,
        vocabulary=11 * MILLION,
        tera_lines=300_000,
        big_tera_lines=900_000,
        pair_lines=2 * MILLION,
        pair_keys=200_000,
        one_key_lines=2 * MILLION,
        tiny_files=2_000,
        line=30 * MILLION,
        partitions=200,
        empty_maps=200,
    ),
    "full": Size(
        text=1000 * MILLION,
        few=92 * MILLION,
        vocabulary=11 * MILLION,
        tera_lines=10 * MILLION,
        big_tera_lines=40 * MILLION,
        pair_lines=20 * MILLION,
        pair_keys=2 * MILLION,
        one_key_lines=50 * MILLION,
        tiny_files=100_000,
        line=1000 * MILLION,
        partitions=5_000,
        empty_maps=2_000,
    ),
}


FOLDING = ("mrmesos", "loop", "python", "duckdb", "polars")
"""The systems that count words and add integers in every default run."""
OTHERS = ("hadoop", "dpark", "spark-dataframe")


def workloads(size: Size) -> list[Workload]:
    """All workloads, in the report's order: those with peers, then those that only our engine
    runs.
    """
    return [*_words(size), *_with_peers(size), *_corners(size), *_scale(size)]


def _words(size: Size) -> list[Workload]:
    settings = {"job.reduces": "4"}
    return [
        Workload(
            "wordcount",
            f"Words of {bytes_in_words(size.text)} of text",
            Operation.WORDCOUNT,
            datasets.text(size.text, size.vocabulary),
            settings,
            (*FOLDING, *OTHERS),
        ),
        Workload(
            "wordcount-real",
            f"Words of {bytes_in_words(size.text)} of Linux' source and documentation",
            Operation.WORDCOUNT_TABS,
            datasets.linux_source(size.text),
            settings,
            FOLDING,
        ),
        Workload(
            "wordcount-few",
            f"Words of {bytes_in_words(size.few)} of Python source, few of them different",
            Operation.WORDCOUNT_TABS,
            datasets.library_source(size.few),
            settings,
            FOLDING,
        ),
    ]


def _with_peers(size: Size) -> list[Workload]:
    text = datasets.text(size.text, size.vocabulary)
    some = min(size.text, 100 * MILLION)
    return [
        Workload(
            "sort",
            f"Sort of {size.tera_lines:,} lines of 100 bytes",
            Operation.SORT,
            datasets.tera(size.tera_lines),
            {"job.reduces": "4"},
            ("mrmesos", "python", "gnu-sort", "duckdb", "polars", *OTHERS),
        ),
        Workload(
            "groupsum",
            f"Sums of {size.pair_lines:,} integers by {size.pair_keys:,} keys",
            Operation.GROUPSUM,
            datasets.key_values(size.pair_lines, size.pair_keys),
            {"job.reduces": "2"},
            (*FOLDING, *OTHERS, "mrjob"),
        ),
        Workload(
            "streaming",
            f"Words of {bytes_in_words(size.text)} of text, by a mapper and reducer of lines",
            Operation.STREAMING,
            text,
            {"mapreduce.job.reduces": "2"},
            ("mrmesos", "shell"),
            default=False,
        ),
        Workload(
            "mrjob",
            f"Words of {bytes_in_words(some)} of text, by a job of mrjob's",
            Operation.MRJOB,
            datasets.text(some, size.vocabulary),
            {"job.reduces": "2"},
            ("mrmesos", "mrjob"),
        ),
        Workload(
            "latency",
            "Words of 1 KB: a job's latency",
            Operation.WORDCOUNT,
            datasets.text(1_000, size.vocabulary),
            systems=("mrmesos", "python", "duckdb", "polars", *OTHERS, "mrjob"),
        ),
    ]


def _corners(size: Size) -> list[Workload]:
    some = min(size.text, 30 * MILLION)
    return [
        Workload(
            "empty-maps",
            f"{size.empty_maps:,} maps that do nothing",
            Operation.NOTHING,
            datasets.numbered(size.empty_maps),
            {"job.maps": str(size.empty_maps), "job.reduces": "0"},
            peers=False,
        ),
        Workload(
            "sort-big",
            f"Sort of {size.big_tera_lines:,} lines of 100 bytes, sort buffer 64 MiB",
            Operation.SORT,
            datasets.tera(size.big_tera_lines),
            {"job.reduces": "4", "io.sort.mb": "64"},
            peers=False,
        ),
        Workload(
            "one-key",
            f"Sum of the {size.one_key_lines:,} integers of one key",
            Operation.GROUPSUM,
            datasets.key_values(size.one_key_lines, 1),
            {"job.reduces": "2"},
            peers=False,
            default=False,
        ),
        Workload(
            "tiny-files",
            f"Words of {size.tiny_files:,} files of one line",
            Operation.WORDCOUNT,
            datasets.tiny_files(size.tiny_files),
            peers=False,
            default=False,
        ),
        Workload(
            "long-line",
            f"Words of one line of {bytes_in_words(size.line)}",
            Operation.WORDCOUNT,
            datasets.long_line(size.line, size.vocabulary),
            peers=False,
            default=False,
        ),
        Workload(
            "partitions",
            f"Words of {bytes_in_words(some)} in {size.partitions:,} partitions",
            Operation.WORDCOUNT,
            datasets.text(some, size.vocabulary),
            {"job.reduces": str(size.partitions)},
            peers=False,
            default=False,
        ),
    ]


SORT_SCALES, WORDCOUNT_SCALE = (10, 20), 20
"""How many times the work of `sort` and `wordcount` is in the workloads for scale."""


def _scale(size: Size) -> list[Workload]:
    """The same work, many times as much. Their results are compared with `sort` and `wordcount`."""
    vectorised = ("mrmesos-vectorised",)
    return [
        *(
            Workload(
                f"sort-{times}x",
                f"Sort of {times * size.tera_lines:,} lines of 100 bytes",
                Operation.SORT,
                datasets.tera(times * size.tera_lines),
                {"job.reduces": str(4 * times)},
                vectorised,
                peers=False,
                default=False,
                disk=3 * times * size.tera_lines * 100,
            )
            for times in SORT_SCALES
        ),
        Workload(
            f"wordcount-{WORDCOUNT_SCALE}x",
            f"Words of {bytes_in_words(WORDCOUNT_SCALE * size.text)} of text",
            Operation.WORDCOUNT,
            datasets.copies(datasets.text(size.text, size.vocabulary), WORDCOUNT_SCALE),
            {"job.reduces": "4"},
            vectorised,
            peers=False,
            default=False,
            disk=2 * WORDCOUNT_SCALE * size.text,
        ),
    ]


def bytes_in_words(size: int) -> str:
    """`30 MB`, `1 GB`: decimal, as disks count."""
    for unit, name in ((1000 * MILLION, "GB"), (MILLION, "MB"), (1000, "KB")):
        if size >= unit:
            return f"{size / unit:g} {name}"
    return f"{size} bytes"
