"""Runs a Hadoop Streaming job: its command line becomes a script, and the script is submitted.

In: the words of `mrmesos streaming` or `hadoop jar`. Out: a job, and its exit code. Thread: main.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from msgspec.structs import replace

from mrmesos.client.code.inputs import absolute_uri
from mrmesos.client.code.target import Target
from mrmesos.client.config.configuration import read_configuration, where_to_run
from mrmesos.client.local_cluster import forked_cluster
from mrmesos.client.options import Options
from mrmesos.client.submission import Submission
from mrmesos.client.terminal.job_display import JobDisplay
from mrmesos.conf import JOB_REDUCES, SETTINGS, Conf, ConfError
from mrmesos.conf.names import ALMOST, likely
from mrmesos.io.fs.scratch import Scratch
from mrmesos.streaming.environment import OUTPUT_DIR
from mrmesos.streaming.hadoop_names import our_settings
from mrmesos.streaming.job_script import job_script
from mrmesos.streaming.options import StreamingOptions, parse_options
from mrmesos.streaming.values import BadOption


def checked_options(words: Sequence[str]) -> StreamingOptions:
    """Read the command line, and check the settings in it. Raises BadOption."""
    options = parse_options(words)
    for name in options.spec.properties:
        # Hadoop has many names that we do not know. So we warn only of a name that is almost one of
        # ours.
        if not our_settings({name: ""}) and (near := likely(name, SETTINGS, ALMOST)):
            click.echo(f"warning: -D {name} is not known; did you mean {near}?", err=True)
    try:
        Conf(options.settings).check("-D")
    except ConfError as problem:
        raise BadOption(str(problem)) from None
    return options


def placed(options: StreamingOptions) -> StreamingOptions:
    """The options, with the cluster that they, a variable or mrmesos.toml name.

    Raises UsageProblem.
    """
    configuration = read_configuration(options.profile)
    for warning in configuration.warnings:
        click.echo(f"warning: {warning}", err=True)
    cluster = where_to_run(
        configuration,
        master=options.master,
        jobtracker=options.jobtracker,
        local=bool(options.local_agents),
    )
    return replace(options, master=cluster.master, jobtracker=cluster.jobtracker)


def run_streaming(options: StreamingOptions, display: JobDisplay | None = None) -> int:
    """Run the job to its end, or submit it if it is to run in the background.

    Returns the exit code. Raises UsageProblem.
    """
    scratch = Scratch("mrmesos-streaming-")
    try:
        options = _with_places(options)
        script = Path(scratch.name) / "streaming_job.py"
        script.write_text(job_script(options), encoding="utf-8")
        submission = _submission(options, script)
        cluster = forked_cluster(submission.local_agents) if submission.is_local else None
        return Submission(submission, cluster, display).run()
    finally:
        scratch.cleanup()


def _with_places(options: StreamingOptions) -> StreamingOptions:
    """The options, with paths in the commands' environment in the form that Hadoop gives them."""
    places = {
        OUTPUT_DIR: absolute_uri(options.output),
        "mapreduce.input.fileinputformat.inputdir": ",".join(options.inputs),
        "mapreduce.job.cache.files": ",".join(options.files),
        "mapreduce.job.cache.archives": ",".join(options.archives),
    }
    given = {name: text for name, text in places.items() if text}
    properties = {**options.spec.properties, **given}
    return replace(options, spec=replace(options.spec, properties=properties))


def _submission(options: StreamingOptions, script: Path) -> Options:
    """The same job as options of `mrmesos submit`."""
    layers = read_configuration(options.profile).layers
    site, variables = layers.for_job()
    # -numReduceTasks is in the script, and no variable must override it.
    given = {name: text for name, text in variables.items() if name != JOB_REDUCES.name}
    return Options(
        target=Target(script, "StreamJob"),
        inputs=options.inputs,
        output=options.spec.properties[OUTPUT_DIR],
        overrides=Conf(given).merged(options.settings),
        master=options.master,
        jobtracker=options.jobtracker,
        detach=options.background,
        local_agents=options.local_agents or 1,
        report=None,
        verbose=options.verbose,
        job_args=(),
        files=options.files,
        archives=options.archives,
        site=site,
        client=layers.for_client().merged(options.settings),
        service=layers.for_jobtracker(),
    )
