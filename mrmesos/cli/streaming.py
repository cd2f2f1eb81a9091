"""`mrmesos streaming`: runs a Hadoop Streaming job."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click

from mrmesos.cli import EXIT_USAGE
from mrmesos.client.code.inputs import absolute_uri
from mrmesos.client.code.loading import Target
from mrmesos.client.options import Options
from mrmesos.client.submission import Submission
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.conf import Conf, ConfError
from mrmesos.io.fs.scratch import Scratch
from mrmesos.streaming.job_script import job_script
from mrmesos.streaming.options import BadOption, StreamingOptions, parse_options
from mrmesos.streaming.preflight import check_program

_HELP = """Run a Hadoop Streaming job: commands that read and write lines.

The options are those of Hadoop:

\b
  -input PATH            a file, directory or glob; several, or with commas
  -output DIR            must not exist
  -mapper COMMAND        default: IdentityMapper
  -reducer COMMAND       or NONE, aggregate; default: IdentityReducer
  -combiner COMMAND      or aggregate
  -numReduceTasks N      0: maps write the output
  -file PATH, -files PATH[#NAME],…      sent to the children's directory
  -archives PATH[#NAME],…               sent and unpacked there
  -cmdenv NAME=VALUE     a variable of the children's environment
  -D NAME=VALUE          Hadoop's settings, by their old or new names
  -conf FILE             the same from a file
  -inputformat, -outputformat, -partitioner CLASS
  -background            print the job's id and do not wait
  -verbose

Of mrmesos:

\b
  --jobtracker URL, --master URL, --local-agents N    as for `mrmesos submit`

docs/streaming.md says what differs from Hadoop.
"""


class _HadoopCommand(click.Command):
    """Takes its arguments as they are. click would read `-archives` as options of one letter."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] in ("-h", "-help", "--help"):
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit(0 if args else EXIT_USAGE)
        ctx.params["words"] = tuple(args)
        return []


@click.command(
    cls=_HadoopCommand,
    help=_HELP,
    options_metavar="-input PATH -output DIR [-mapper COMMAND] [-reducer COMMAND] ...",
)
def streaming(words: tuple[str, ...]) -> None:
    """See _HELP."""
    try:
        options = parse_options(words)
        settings = Conf(options.settings)
        settings.check()
    except (BadOption, ConfError) as problem:
        raise UsageProblem(str(problem)) from None
    for option in options.ignored:
        click.echo(f"warning: {option} has no effect here", err=True)
    for program in (options.spec.mapper, options.spec.combiner, options.spec.reducer):
        local = not options.jobtracker and not options.master
        try:
            check_program(program, options.files, options.archives, local=local)
        except BadOption as problem:
            raise UsageProblem(str(problem)) from None
    logging.basicConfig(
        level=logging.INFO if options.verbose else logging.CRITICAL,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    scratch = Scratch("mrmesos-streaming-")
    try:
        script = Path(scratch.name) / "streaming_job.py"
        script.write_text(job_script(options), encoding="utf-8")
        code = Submission(_submission(options, script, settings)).run()
    finally:
        scratch.cleanup()
    sys.exit(code)


def _submission(options: StreamingOptions, script: Path, settings: Conf) -> Options:
    """The same job as `mrmesos submit` would be told of it."""
    if options.background and not options.jobtracker:
        raise UsageProblem(
            "-background needs --jobtracker: without it, the job ends with this command"
        )
    return Options(
        target=Target(script, "StreamJob"),
        inputs=options.inputs,
        output=absolute_uri(options.output),
        overrides=settings,
        master=options.master,
        jobtracker=options.jobtracker,
        detach=options.background,
        local_agents=options.local_agents or 1,
        report=None,
        verbose=options.verbose,
        job_args=(),
        files=options.files,
        archives=options.archives,
    )
