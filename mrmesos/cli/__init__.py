"""The `mrmesos` command: one file for each verb.

A verb's file is imported only when that verb is used, so that `mrmesos --help` answers at once.
"""

from __future__ import annotations

import difflib
import errno
import importlib
import itertools
import os
import sys
from collections.abc import Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

import mrmesos
from mrmesos.client.terminal.errors import not_unicode
from mrmesos.client.terminal.printable import printable
from mrmesos.ending import ended_by_interrupts
from mrmesos.garbage import set_apart

VERBS = {
    "submit": (
        "mrmesos.cli.submit:submit",
        "Run a job on this machine, on Mesos, or on a JobTracker.",
    ),
    "streaming": (
        "mrmesos.cli.streaming:streaming",
        "Run a Hadoop Streaming job: commands that read and write lines.",
    ),
    "hadoop-home": (
        "mrmesos.cli.hadoop_home:hadoop_home",
        "Write a `hadoop` command for programs that need one.",
    ),
    "cat": ("mrmesos.cli.cat:cat", "Show the records of an output in any format."),
    "pack": ("mrmesos.cli.pack:pack", "Pack mrmesos and other packages for agents without them."),
    "jobtracker": (
        "mrmesos.cli.jobtracker:jobtracker",
        "Run a JobTracker that serves many users on Mesos.",
    ),
    "job": (
        "mrmesos.cli.job:job",
        "List, watch and kill jobs; show attempts and their logs.",
    ),
    "top": ("mrmesos.cli.top:top", "Show jobs, pools and agents of a JobTracker, live."),
    "ui": ("mrmesos.cli.ui:ui", "Open the web pages of a JobTracker."),
    "history": (
        "mrmesos.cli.history:history",
        "Show jobs that have ended, and compare two of them.",
    ),
    "doctor": (
        "mrmesos.cli.doctor:doctor",
        "Look for what is wrong with this machine and a cluster.",
    ),
    "config": ("mrmesos.cli.config:config", "Show settings, and where each value comes from."),
    "minimesos": ("mrmesos.cli.minimesos:minimesos", "Run a small Mesos on this machine."),
    "simulate": ("mrmesos.cli.simulate:simulate", "Simulate a cluster and its jobs."),
}
"""For each verb: the place of its click command, and its line in `mrmesos --help`."""

IN_GROUPS = {
    "job": ("list", "status", "wait", "kill", "move", "attempts", "logs"),
    "history": ("list", "show", "diff", "serve"),
    "config": ("show", "files", "schema"),
}
"""The verbs of groups, for users who forget the group."""

EXIT_USAGE = 2
_STDOUT_FAILED = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF, errno.EPIPE})


class OneLineCommand(click.Command):
    """A command that prints mistakes in one line."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run. If the user has to change something: exit code 2 and one line on stderr."""
        set_apart()  # what is imported stays
        args = list(sys.argv[1:] if args is None else args)
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, False, **extra)
        try:
            _check_unicode(args)
            code = super().main(args, prog_name, complete_var, False, **extra)
        except click.exceptions.NoArgsIsHelpError as problem:
            problem.show()
            sys.exit(EXIT_USAGE)
        except click.ClickException as problem:
            path, hint = self.name or "mrmesos", ""
            if isinstance(problem, click.UsageError) and problem.ctx is not None:
                path = problem.ctx.command_path
                hint = f" (see {path} --help)"
            message = " ".join(problem.format_message().split()) + hint
            click.echo(f"{path}: {message}", err=True)
            if detail := getattr(problem, "detail", ""):
                lines = (f"  {line}".rstrip() for line in detail.rstrip().splitlines())
                click.echo(printable("\n".join(["", *lines])), err=True)
            sys.exit(problem.exit_code)
        except OSError as problem:
            # An error of a file has the file's name. An error of standard output has none.
            if problem.errno not in _STDOUT_FAILED or problem.filename is not None:
                raise
            _stdout_fails()
            click.echo(f"mrmesos: standard output cannot be written: {problem.strerror}", err=True)
            sys.exit(1)
        except click.Abort:
            click.echo("mrmesos: interrupted", err=True)
            sys.exit(1)
        if _stdout_fails():
            click.echo("mrmesos: standard output cannot be written", err=True)
            code = 1
        sys.exit(code if isinstance(code, int) else 0)


class LazyGroup(OneLineCommand, click.Group):
    """A group that imports a command only when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in VERBS:
            return None
        module, name = VERBS[cmd_name][0].split(":")
        with ended_by_interrupts():
            command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but with a suggestion for a mistyped verb, and for a verb of a group."""
        wrong = args[0]
        if wrong in VERBS or wrong.startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        inner = [f"{group} {wrong}" for group, verbs in IN_GROUPS.items() if wrong in verbs]
        if inner:
            words = " or ".join(f"`mrmesos {each}`" for each in inner)
            raise click.UsageError(f"No such command {wrong!r}. Did you mean {words}?", ctx)
        near = difflib.get_close_matches(wrong, VERBS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise click.UsageError(f"No such command {wrong!r}.{hint}", ctx)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The verbs, without importing any."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [
            CompletionItem(verb, help=line)
            for verb, (_, line) in VERBS.items()
            if verb.startswith(incomplete)
        ]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the verbs without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(verb, line) for verb, (_, line) in VERBS.items()])


def _stdout_fails() -> bool:
    """Whether standard output cannot be written. Then the rest of the output is dropped."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return True
    return False


def _check_unicode(args: Sequence[str]) -> None:
    """Check the arguments before `--`, which are sent to other processes. Raises UsageProblem."""
    for text in itertools.takewhile("--".__ne__, args):
        try:
            text.encode()
        except UnicodeEncodeError:
            raise not_unicode(text) from None


@click.group("mrmesos", cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(mrmesos.__version__, prog_name="mrmesos")
def main() -> None:
    """MapReduce for Python on Apache Mesos."""
