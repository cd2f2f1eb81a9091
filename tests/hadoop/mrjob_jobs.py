"""mrjob's own jobs, unmodified: by mrjob's own runners, by `-r hadoop` and natively.

`tests/hdfs/test_mrjob.py` runs them by `-r hadoop`, `tests/mrjob/test_matrix.py` natively.

Jobs for Spark, for jars and for Java formats are left out. Jobs like `mr_boom`, which must fail,
are compared by their exit code. `local` runs jobs that `inline` cannot run: commands and filters.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TIMEOUT = 300.0
Lines = list[bytes]


def _same(lines: Lines) -> Lines:
    return sorted(lines)


def _once(lines: Lines) -> Lines:
    """For jobs that write a line for each map. The runner chooses the number of maps."""
    return sorted(set(lines))


def _total(lines: Lines) -> Lines:
    """For counts of each map. Only their sum is the same."""
    return [b"%d" % sum(int(line.split(b"\t")[1]) for line in lines)]


def _by_name(lines: Lines) -> Lines:
    """For jobs that write the paths of their inputs. Each runner has them in another place."""
    return sorted(re.sub(rb'"[^"]*/', b'"', line) for line in lines)


def _as_json(lines: Lines) -> Lines:
    """For dicts that are written in the order of a set: it differs from process to process."""
    parts = [[json.loads(part) for part in line.split(b"\t")] for line in lines]
    return sorted(json.dumps(each, sort_keys=True).encode() for each in parts)


def _keys(lines: Lines) -> Lines:
    """For values that belong to the runner: ids and directories."""
    return sorted({line.split(b"\t")[0] for line in lines})


def _uploaded(lines: Lines) -> Lines:
    """For lists of a directory. Each runner has more files there than the job has sent."""
    return sorted({line for line in lines if b"README" in line or b"empty" in line})


def _no_tabs(lines: Lines) -> Lines:
    """For commands as reducers. Hadoop adds a tab to the end of a line without a value."""
    return sorted(filter(None, (line.rstrip(b"\t") for line in lines)))


@dataclass(frozen=True, slots=True)
class MrJob:
    """A script of mrjob, and how to run it and to compare its output."""

    script: str
    args: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ("a.txt", "b.txt")
    compared: Callable[[Lines], Lines] = _same
    runner: str = "inline"
    reduces: int = 2
    """The reduces of the native run. It is 1 if sums of floats depend on the order of values."""
    fails: bool = False
    """Whether it must fail, everywhere."""

    @property
    def name(self) -> str:
        inputs = ("empty",) if self.inputs == ("empty.txt",) else ()
        return "-".join([self.script.removeprefix("mr_"), *self.args, *inputs]).replace("/", "_")


EXAMPLES = (
    MrJob("mr_boom", fails=True),
    MrJob("mr_count_lines_by_file", compared=_by_name),
    MrJob("mr_count_lines_right"),
    MrJob("mr_count_lines_wrong", compared=_total),
    MrJob("mr_grep", ("-e", "fox"), runner="local"),
    MrJob("mr_grep", ("-e", "nosuch"), runner="local"),
    MrJob("mr_log_sampler", ("--sample-size", "1000")),
    MrJob("mr_most_used_word"),
    MrJob("mr_next_word_stats"),
    MrJob("mr_phone_to_url", inputs=("pages.wet.gz",)),
    MrJob("mr_text_classifier", inputs=("docs",), compared=_as_json, reduces=1),
    MrJob("mr_wc"),
    MrJob("mr_wc", inputs=("empty.txt",)),
    MrJob("mr_word_freq_count"),
    MrJob("mr_words_containing_u_freq_count", runner="local"),
)
"""All of mrjob/examples but mr_jar_*, mr_nick_nack* (jars) and mr_spark*."""

TEST_JOBS = (
    MrJob("mr_cmd_job", ("--mapper-cmd", "cat", "--combiner-cmd", "cat"), runner="local"),
    MrJob("mr_cmd_job", ("--reducer-cmd", "cat"), compared=_no_tabs, runner="local"),
    MrJob("mr_count_lines_by_filename"),
    MrJob("mr_counting_job"),
    MrJob("mr_doubler", ("-n", "3"), ("json.txt",)),
    MrJob("mr_exit_42_job", fails=True),
    MrJob("mr_filter_job", ("--mapper-filter", "grep -i u"), runner="local"),
    MrJob("mr_group"),
    MrJob("mr_job_where_are_you", inputs=("empty.txt",), compared=_keys),
    MrJob("mr_no_mapper"),
    MrJob("mr_no_runner", compared=_once),
    MrJob("mr_partitioner"),
    MrJob("mr_pass_thru_arg_test", ("--chars", "--ignore", "e")),
    MrJob("mr_rot13lib"),
    MrJob("mr_runner", compared=_keys),
    MrJob("mr_sort_and_group"),
    MrJob("mr_sort_values"),
    MrJob("mr_sort_values_and_more"),
    MrJob("mr_stdin_only"),
    MrJob("mr_test_cmdenv", ("--cmdenv", "FOO=bar", "--cmdenv", "SOMETHING=else")),
    MrJob("mr_test_jobconf", ("-D", "user.defined=something"), compared=_keys),
    MrJob("mr_test_per_step_jobconf", ("-D", "user.defined=something"), compared=_keys),
    MrJob("mr_tower_of_powers", ("--n-file", "n.txt"), ("numbers.txt",)),
    MrJob("mr_two_step_job"),
    MrJob("mr_upload_attrs_job", compared=_uploaded),
    MrJob("mr_verbose_job", fails=True),
    MrJob("mr_word_count", compared=_by_name),
    MrJob("mr_word_freq_count_with_combiner_cmd", runner="local"),
)
"""All of mrjob's tests/mr_*.py, except those for Spark, jars and Java formats, and except two.

mr_os_walk_job lists its directory, where mrjob's Hadoop runner puts more files than its others. In
mr_sort_and_group_reversed_text the whole line is the key, so Hadoop adds a tab to it, which the job
reads as the beginning of its values.
"""

_PAGE = (
    "WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Target-URI: http://shop.example/call\r\n"
    "WARC-Date: 2020-01-01T00:00:00Z\r\nWARC-Record-ID: <urn:uuid:12345678>\r\n"
    "Content-Type: text/plain\r\nContent-Length: {size}\r\n\r\n{text}\r\n\r\n"
)


def script_of(job: MrJob, examples: Path, tests: Path, directory: Path) -> Path:
    """The script. It is a copy in `directory` if the release lacks the files that the script
    uploads.
    """
    script = (examples if job in EXAMPLES else tests) / f"{job.script}.py"
    if job.script != "mr_upload_attrs_job":
        return script
    beside = directory / "script" / job.script
    beside.mkdir(parents=True)
    (beside / "README.txt").write_text("read me\n")
    tarfile.open(beside / "empty.tar.gz", "w:gz").close()
    return Path(shutil.copy(script, beside.parent))


def write_inputs(directory: Path, examples: Path) -> None:
    """The inputs of all jobs."""
    files = {
        "a.txt": "The quick brown fox jumps over the lazy dog\nUnder a blue umbrella\n\nu u\n" * 5,
        "b.txt": "été \u2028 sep\u0085 naïve\tTab tab\nlast line without end",
        "json.txt": '"a"\t3\n"b"\t"xy"\nnull\t[1, 2]\n',
        "numbers.txt": "2\n3\n5\n",
        "n.txt": "3\n",
        "empty.txt": "",
    }
    for name, text in files.items():
        (directory / name).write_bytes(text.encode())
    text = "Call us: (415) 555-0123 today"
    page = _PAGE.format(size=len(text), text=text).encode()
    (directory / "pages.wet.gz").write_bytes(gzip.compress(page))
    (directory / "docs").symlink_to(examples / "docs-to-classify")


def inputs_of(job: MrJob, directory: Path) -> list[str]:
    """Its inputs, relative to `directory`."""
    if job.inputs != ("docs",):
        return [*job.inputs]
    return sorted(str(path) for path in (directory / "docs").iterdir())


def run(
    job: MrJob, script: Path, runner: str, directory: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[bytes]:
    """Run one job as its users do."""
    return subprocess.run(
        [sys.executable, script, "-r", runner, *job.args, *inputs_of(job, directory)],
        cwd=directory,
        env={**os.environ, "MRJOB_CONF": os.devnull, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT,
    )


def check(job: MrJob, script: Path, directory: Path, environment: Mapping[str, str]) -> None:
    """Both runners give the same bytes, or both fail if they must."""
    own = run(job, script, job.runner, directory, environment)
    ours = run(job, script, "hadoop", directory, environment)
    assert (own.returncode != 0) == job.fails, own.stderr.decode()
    assert (ours.returncode != 0) == job.fails, ours.stderr.decode()
    if not job.fails:
        assert job.compared(filled(ours.stdout)) == job.compared(filled(own.stdout))


def filled(output: bytes) -> Lines:
    """The lines that are not empty."""
    return [line for line in output.split(b"\n") if line]


def ids(jobs: Sequence[MrJob]) -> list[str]:
    """Names for pytest."""
    return [job.name for job in jobs]
