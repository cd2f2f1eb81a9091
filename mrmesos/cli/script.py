"""`python job.py …`: a script that runs its own job, by `mrmesos.run(Job)` at its end.

The command line is that of `mrmesos submit` with three differences, as in mrjob. Inputs are plain
arguments; without any, standard input is read. The job's own options need no `--` before them.
Without --output, the results go to standard output.
"""

from __future__ import annotations

import argparse
import copy
import inspect
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from mrmesos.api.chain import Chain, check_chain, last_steps
from mrmesos.api.job import Job
from mrmesos.cli import OneLineCommand
from mrmesos.cli.submit import submit
from mrmesos.client.terminal.errors import UsageProblem

_NOT_HERE = ("script", "class_name", "job_args")
_ELSEWHERE = ("master", "jobtracker", "profile", "detach")


def main(job: type[Job] | type[Chain], argv: Sequence[str] | None = None) -> NoReturn:
    """Run the job of a script with the words of its command line, and exit."""
    script = _script_of(job)
    own = _own_parser(script, job)
    words, job_args = split_words(own, list(sys.argv[1:] if argv is None else argv))

    def run(inputs: tuple[str, ...], more: tuple[str, ...], **options: Any) -> None:
        given = dict(options, script=str(script), class_name=job.__name__, job_args=tuple(job_args))
        given["inputs"] = (*inputs, *more) or ("-",)
        if options["output"] or options["dry_run"]:
            given["local"] |= not options["output"] and not any(map(options.get, _ELSEWHERE))
            given["output"] = options["output"] or "dry-run-has-no-output"
            _submit(given)
        else:
            _to_stdout(job, given)

    command = OneLineCommand(
        script.name,
        params=[*_options(), click.Argument(["more"], nargs=-1, metavar="[INPUT]...")],
        callback=run,
        help=_help(job, own),
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    command.main(words, prog_name=script.name)
    sys.exit(0)


def _submit(given: dict[str, Any]) -> None:
    """Run the job. This ends with SystemExit, as the command does."""
    assert submit.callback is not None
    submit.callback(**given)


def _to_stdout(job: type[Job] | type[Chain], given: dict[str, Any]) -> None:
    """Run on this machine with a temporary output, and print its records."""
    from mrmesos.client.terminal.showing import shown

    for name in _ELSEWHERE:
        if given[name]:
            raise UsageProblem(
                f"--{name} needs --output: results on standard output come from this machine only"
            )
    if given["preview"] or given["as_json"]:
        raise UsageProblem("--preview and --json need --output: standard output has the results")
    given["local"] = not given["local_agents"]
    given["counters"] = False
    with tempfile.TemporaryDirectory(prefix="mrmesos-run-") as scratch:
        given["output"] = f"{scratch}/output"
        try:
            _submit(given)
        except SystemExit as end:
            if end.code:
                raise
        for lines in shown(list(_outputs(job, given["output"])), None):
            sys.stdout.buffer.write(lines)
        sys.stdout.buffer.flush()


def _outputs(job: type[Job] | type[Chain], output: str) -> Iterator[str]:
    """The directories with results: one, or one for each last step of a chain."""
    last = last_steps(check_chain(job)) if issubclass(job, Chain) else set()
    yield from ([output] if len(last) < 2 else [f"{output}/{name}" for name in sorted(last)])


def _script_of(job: type[Job] | type[Chain]) -> Path:
    if not (inspect.isclass(job) and issubclass(job, Job | Chain)):
        raise TypeError(f"mrmesos.run takes a class derived from Job or Chain, not {job!r:.80}")
    file = getattr(sys.modules.get(job.__module__), "__file__", None)
    if not file or not Path(file).is_file():
        raise TypeError(
            f"mrmesos.run needs the script of {job.__name__}; in a notebook use "
            "mrmesos.api.running.run"
        )
    return Path(file)


def _options() -> list[click.Parameter]:
    """The options of submit; inputs and output are not required here."""
    found = []
    for each in submit.params:
        if each.name in _NOT_HERE:
            continue
        option = copy.copy(each)
        if option.name in ("inputs", "output"):
            option.required = False
        if option.name == "output" and isinstance(option, click.Option):
            option.help = "Directory of the output.  [default: print the results]"
        found.append(option)
    return found


def _own_parser(script: Path, job: type[Job] | type[Chain]) -> argparse.ArgumentParser:
    """The parser of the job's own options."""
    parser = argparse.ArgumentParser(prog=script.name, add_help=False, usage=argparse.SUPPRESS)
    job.add_arguments(parser)
    return parser


def _help(job: type[Job] | type[Chain], own: argparse.ArgumentParser) -> str:
    words = inspect.getdoc(job) if job.__doc__ else ""
    text = f"{words}\n\n" if words else ""
    text += "Without INPUT, standard input is read. Without --output, the results are printed."
    if options := own.format_help().strip():
        text += f"\n\n\b\nOf {job.__name__} itself:\n" + "\n".join(options.splitlines()[1:])
    return text


def split_words(own: argparse.ArgumentParser, words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Our words, and the job's words: its own options with their values, and all words after
    `--`.
    """
    options = {text: each for each in own._actions for text in each.option_strings}
    ours: list[str] = []
    theirs: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return ours, theirs + rest
        name, equals, _ = word.partition("=")
        action = options.get(word) or (options.get(name) if equals else None)
        if action is None:
            ours.append(word)
            continue
        theirs.append(word)
        if not equals:
            values = _count(action, rest)
            theirs += rest[:values]
            del rest[:values]
    return ours, theirs


def _count(action: argparse.Action, rest: Sequence[str]) -> int:
    """How many of the next words are values of the option."""
    if isinstance(action.nargs, int):
        return min(action.nargs, len(rest))
    if action.nargs is None:
        return min(1, len(rest))
    values = 0
    while values < len(rest) and not rest[values].startswith("-"):
        values += 1
    return min(values, 1) if action.nargs == "?" else values
