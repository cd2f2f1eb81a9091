"""`mrmesos streaming`: runs a Hadoop Streaming job."""

from __future__ import annotations

import logging
import sys

import click

from mrmesos.cli import EXIT_USAGE
from mrmesos.client.streaming import checked_options, placed, run_streaming
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.streaming.preflight import check_program
from mrmesos.streaming.values import BadOption

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
  -io text|rawbytes|typedbytes          how commands read and write records
  -lazyOutput            no part file for a task without records
  -background            print the job's id and do not wait
  -verbose

Of mrmesos:

\b
  --jobtracker URL, --master URL, --local-agents N    as for `mrmesos submit`
  --profile NAME         a profile of mrmesos.toml

docs/streaming.md lists the differences from Hadoop.
"""


class _HadoopCommand(click.Command):
    """Takes its arguments unchanged, because click would read `-archives` as options of one
    letter.
    """

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
        options = placed(checked_options(words))
        local = not options.jobtracker and not options.master
        for program in (options.spec.mapper, options.spec.combiner, options.spec.reducer):
            check_program(program, options.files, options.archives, local=local)
    except BadOption as problem:
        raise UsageProblem(str(problem)) from None
    if options.background and not options.jobtracker:
        raise UsageProblem(
            "-background needs --jobtracker: without it, the job ends with this command"
        )
    logging.basicConfig(
        level=logging.INFO if options.verbose else logging.CRITICAL,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    sys.exit(run_streaming(options))
