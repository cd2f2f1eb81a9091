"""`hadoop jar …streaming….jar`: a streaming job, reported in the words that wrappers expect."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from mrmesos.client.config.configuration import read_configuration
from mrmesos.client.streaming import checked_options, run_streaming
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.client.terminal.progress import ProgressDisplay
from mrmesos.hadoop.paths import Places, has_scheme
from mrmesos.hadoop.saying import log, say
from mrmesos.io.fs.filesystem import InputError, OutputError
from mrmesos.streaming.options import StreamingOptions
from mrmesos.streaming.preflight import check_program
from mrmesos.streaming.values import BadOption
from mrmesos.task.files.job_files import named_files
from mrmesos.wire.job import JobState, JobStatus, TaskCounts

EXIT_FAILED = 1
EXIT_OUTPUT = 4
"""The output exists (StreamJob.submitAndMonitorJob of Hadoop 3.4)."""
EXIT_INPUT = 5
"""An input does not exist."""
_USAGE = """Usage: $HADOOP_HOME/bin/hadoop jar hadoop-streaming.jar [options]
  -input PATH ...  -output DIR  -mapper COMMAND  -combiner COMMAND  -reducer COMMAND|NONE|aggregate
  -numReduceTasks N  -file PATH ...  -files PATH[#NAME],...  -archives PATH[#NAME],...
  -cmdenv NAME=VALUE  -D NAME=VALUE  -conf FILE  -inputformat, -outputformat, -partitioner CLASS
  -io text|rawbytes|typedbytes  -lazyOutput  -background  -verbose
`mrmesos streaming -help` says what each means.
"""


def run_jar(words: Sequence[str], places: Places, properties: dict[str, str]) -> int:
    """Run `JAR [arguments]`; only the streaming jar can be run. Returns the exit code."""
    if not words:
        say("Usage: hadoop jar <jar> [arguments]")
        return 255
    jar, *rest = words
    if "streaming" not in Path(jar).name:
        say(
            f"{jar}: mrmesos runs no Java; it stands in for the streaming jar only "
            "(hadoop jar hadoop-streaming.jar -input …)"
        )
        return EXIT_FAILED
    return run_streaming_tool(rest, places, properties)


def run_streaming_tool(words: Sequence[str], places: Places, properties: dict[str, str]) -> int:
    """Run the streaming job of a command line. Returns Hadoop's exit code."""
    if {"-help", "-info", "--help"}.intersection(words[:1]):
        sys.stdout.write(_USAGE)
        return 0
    code = _run(words, places, properties)
    if code:
        say("Streaming Command Failed!")
    return code


def _run(words: Sequence[str], places: Places, properties: dict[str, str]) -> int:
    given = [word for name, value in properties.items() for word in ("-D", f"{name}={value}")]
    try:
        options = _placed(checked_options([*given, *words]), places)
        for program in (options.spec.mapper, options.spec.combiner, options.spec.reducer):
            check_program(program, options.files, options.archives, local=not options.jobtracker)
        return run_streaming(options, HadoopDisplay(options.output))
    except BadOption as problem:
        say(f"ERROR streaming.StreamJob: {problem}")
    except UsageProblem as problem:
        say(f"ERROR streaming.StreamJob: {problem.format_message()}")
        if isinstance(problem.__cause__, OutputError):
            return EXIT_OUTPUT
        if isinstance(problem.__cause__, InputError):
            return EXIT_INPUT
    return EXIT_FAILED


def _placed(options: StreamingOptions, places: Places) -> StreamingOptions:
    """The options, with real paths and the real address of the JobTracker."""
    jobtracker = options.jobtracker or read_configuration().cluster.jobtracker

    def each(given: Sequence[str]) -> tuple[str, ...]:
        found = []
        for one in named_files(given):
            path, sharp, name = one.partition("#")
            # As in Hadoop, a path without a scheme is a local one here, whatever fs.defaultFS is.
            uri = places.uri(path) if has_scheme(path) else path
            found.append(f"{uri}#{name}" if sharp else uri)
        return tuple(found)

    def inputs(given: Sequence[str]) -> tuple[str, ...]:
        return tuple(",".join(map(places.uri, text.split(","))) for text in given)

    return replace(
        options,
        inputs=inputs(options.inputs),
        output=places.uri(options.output),
        files=each(options.files),
        archives=each(options.archives),
        jobtracker=jobtracker,
        background=options.background and bool(jobtracker),
    )


@dataclass(slots=True)
class HadoopDisplay:
    """A JobDisplay in Hadoop's words: `Running job:`, `map 50% reduce 0%`, the counters block."""

    output: str

    def started(self, job_id: str, name: str, url: str) -> None:
        """See JobDisplay."""
        del name
        log("mapreduce.Job", f"The url to track the job: {url}/ui/jobs/{job_id}")
        log("mapreduce.Job", f"Running job: {job_id}")

    def page(self, address: str) -> None:
        """Hadoop prints no such line, and programs parse its output."""

    def progress(self) -> ProgressDisplay:
        """See JobDisplay."""
        return _Percent()

    def ended(self, status: JobStatus, *, printed: bool) -> None:
        """See JobDisplay."""
        if status.state is JobState.SUCCEEDED:
            log("mapreduce.Job", f"Job {status.job_id} completed successfully")
        else:
            log("mapreduce.Job", f"Job {status.job_id} failed with state {status.state.value}")
        if printed:
            log("mapreduce.Job", f"Tasks printed: mrmesos job logs {status.job_id}")
        if status.counters:
            log("mapreduce.Job", _counters(status))
        if status.state is JobState.SUCCEEDED:
            log("streaming.StreamJob", f"Output directory: {self.output}")


class _Percent:
    """Progress as ` map 50% reduce 0%`, when it has changed."""

    def __init__(self) -> None:
        self._last = ""

    def update(self, status: JobStatus, elapsed: float) -> None:
        """See ProgressDisplay."""
        del elapsed
        line = f" map {_percent(status.maps)}% reduce {_percent(status.reduces)}%"
        if status.state is not JobState.PREP and line != self._last:
            self._last = line
            log("mapreduce.Job", line)

    def close(self) -> None:
        """See ProgressDisplay."""


def _percent(counts: TaskCounts) -> int:
    return 100 * counts.succeeded // counts.total if counts.total else 0


_GROUPS = {"task": "Map-Reduce Framework", "job": "Job Counters "}
_NAMES = {
    "MAP_INPUT_RECORDS": "Map input records",
    "MAP_OUTPUT_RECORDS": "Map output records",
    "MAP_OUTPUT_BYTES": "Map output bytes",
    "COMBINE_INPUT_RECORDS": "Combine input records",
    "COMBINE_OUTPUT_RECORDS": "Combine output records",
    "REDUCE_INPUT_GROUPS": "Reduce input groups",
    "REDUCE_INPUT_RECORDS": "Reduce input records",
    "REDUCE_OUTPUT_RECORDS": "Reduce output records",
    "REDUCE_SHUFFLE_BYTES": "Reduce shuffle bytes",
    "SPILLED_RECORDS": "Spilled Records",
    "CPU_MILLISECONDS": "CPU time spent (ms)",
    "PHYSICAL_MEMORY_BYTES": "Physical memory (bytes) snapshot",
    "LAUNCHED_MAPS": "Launched map tasks",
    "LAUNCHED_REDUCES": "Launched reduce tasks",
    "MILLIS_MAPS": "Total time spent by all map tasks (ms)",
    "MILLIS_REDUCES": "Total time spent by all reduce tasks (ms)",
}


def _counters(status: JobStatus) -> str:
    """The block of counters as Hadoop prints it."""
    counters = status.counters or {}
    lines = [f"Counters: {sum(map(len, counters.values()))}"]
    for group, names in counters.items():
        lines.append(f"\t{_GROUPS.get(group, group)}")
        lines += [f"\t\t{_NAMES.get(name, name)}={amount}" for name, amount in names.items()]
    return "\n".join(lines)
