"""`hadoop fs`: finds the command, and turns failures into Hadoop's lines and exit codes.

Exit codes are Hadoop's: 0, 1 if something failed, 255 for a wrong use.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from mrmesos.hadoop import shell_changes, shell_reads
from mrmesos.hadoop.paths import Places
from mrmesos.hadoop.shell_words import Call, WrongUse
from mrmesos.hadoop.stores import FsFailed, Stores
from mrmesos.io.fs.filesystem import reason

EXIT_USAGE = 255


class FsCommand(msgspec.Struct, frozen=True):
    """One command of `hadoop fs`: its options of one word, and how many paths it takes."""

    run: Callable[[Call], Iterable[str] | None]
    options: str = ""
    least: int = 1
    usage: str = "<path> ..."
    given: Mapping[str, bool] = msgspec.field(default_factory=dict)
    """Options that are always on, for the old names of a command."""
    most: int = sys.maxsize
    instead: str = ""
    """The new name that Hadoop recommends for an old one."""


COMMANDS: Mapping[str, FsCommand] = {
    "ls": FsCommand(shell_reads.ls, "R d h C t S r u q e", 0, "[-R] [-d] [-h] [<path> ...]"),
    "lsr": FsCommand(shell_reads.ls, "h", 0, "[<path> ...]", {"R": True}, instead="ls -R"),
    "cat": FsCommand(shell_reads.cat, "ignoreCrc"),
    "text": FsCommand(shell_reads.text, "ignoreCrc"),
    "head": FsCommand(shell_reads.head, usage="<file>", most=1),
    "tail": FsCommand(shell_reads.tail, "f", usage="<file>", most=1),
    "du": FsCommand(shell_reads.du, "s h v x", 0, "[-s] [-h] [<path> ...]"),
    "dus": FsCommand(shell_reads.du, "h", 0, "[<path> ...]", {"s": True}, instead="du -s"),
    "count": FsCommand(shell_reads.count, "q h v", usage="[-h] <path> ..."),
    "stat": FsCommand(shell_reads.stat_path, usage="[format] <path> ..."),
    "test": FsCommand(shell_reads.test, "e d f z s r w", usage="-[edfzs] <path>", most=1),
    "find": FsCommand(shell_reads.find, usage="<path> ... [-name <pattern>]"),
    "getmerge": FsCommand(shell_reads.getmerge, "nl", 2, "[-nl] <src> <localdst>"),
    "get": FsCommand(shell_reads.get, "f p crc ignoreCrc", 1, "[-f] <src> ... <localdst>"),
    "copyToLocal": FsCommand(shell_reads.get, "f p crc ignoreCrc", 1, "<src> ... <localdst>"),
    "mkdir": FsCommand(shell_changes.mkdir, "p"),
    "put": FsCommand(shell_changes.put, "f p d l", 1, "[-f] <localsrc> ... <dst>"),
    "copyFromLocal": FsCommand(shell_changes.put, "f p d l", 1, "[-f] <localsrc> ... <dst>"),
    "moveFromLocal": FsCommand(shell_changes.put, "", 1, "<localsrc> ... <dst>", {"move": True}),
    "rm": FsCommand(shell_changes.rm, "r R f skipTrash safely", usage="[-r] [-f] <path> ..."),
    "rmr": FsCommand(shell_changes.rm, "f skipTrash", given={"r": True}, instead="-rm -r"),
    "rmdir": FsCommand(shell_changes.rmdir, "-ignore-fail-on-non-empty"),
    "mv": FsCommand(shell_changes.mv, "", 2, "<src> ... <dst>"),
    "cp": FsCommand(shell_changes.cp, "f p", 2, "[-f] <src> ... <dst>"),
    "touchz": FsCommand(shell_changes.touchz),
    "touch": FsCommand(shell_changes.touchz, "c"),
    "appendToFile": FsCommand(shell_changes.append, "", 1, "<localsrc> ... <dst>"),
    "chmod": FsCommand(shell_changes.chmod, "R", 2, "[-R] <mode> <path> ..."),
    "chown": FsCommand(shell_changes.chown, "R", 2, "[-R] <owner>[:<group>] <path> ..."),
    "chgrp": FsCommand(shell_changes.chown, "R", 2, "[-R] <group> <path> ..."),
    "setrep": FsCommand(shell_changes.setrep, "R w", 2, "[-w] <replicas> <path> ..."),
    "expunge": FsCommand(shell_changes.nothing, least=0, usage=""),
}


def run_shell(words: Sequence[str], places: Places) -> int:
    """Run one command of `hadoop fs`. Returns the exit code."""
    if not words or words[0] in ("-help", "-usage"):
        return _help(words)
    name = words[0].removeprefix("-")
    command = COMMANDS.get(name)
    if command is None or not words[0].startswith("-"):
        _say(f"{words[0]}: Unknown command")
        if command is not None:
            _say(f"Did you mean -{name}?  This command begins with a dash.")
        return EXIT_USAGE
    if command.instead:
        _say(f"{name}: DEPRECATED: Please use '{command.instead}' instead.")
    call = Call(name, Stores(places))
    try:
        call.read(words[1:], command.options.split(), command.given)
        _check_count(len(call.paths), command)
        for line in command.run(call) or ():
            sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except WrongUse as problem:
        _say(f"-{name}: {problem}")
        _say(f"Usage: hadoop fs -{name} {command.usage}".rstrip())
        return EXIT_USAGE
    except FsFailed as problem:
        _say(f"{name}: {problem}")
        return 1
    except BrokenPipeError:
        return 1
    except Exception as problem:  # noqa: BLE001 -- remote drivers raise any type
        path = getattr(problem, "filename", None)
        _say(f"{name}: `{path}': {reason(problem)}" if path else f"{name}: {reason(problem)}")
        return 1
    for failure in call.failures:
        _say(f"{name}: {failure}")
    return call.code or (1 if call.failures else 0)


def _check_count(found: int, command: FsCommand) -> None:
    """Raises WrongUse in Hadoop's words."""
    if found < command.least:
        raise WrongUse(f"Not enough arguments: expected {command.least} but got {found}")
    if found > command.most:
        raise WrongUse(f"Too many arguments: expected {command.most} but got {found}")


def _help(words: Sequence[str]) -> int:
    """`-help` and `-usage`, of all commands or of some. The text goes to stderr if there is no
    command at all.
    """
    if not words:
        sys.stderr.write(_usage())
        return EXIT_USAGE
    for name in words[1:]:
        command = COMMANDS.get(name.removeprefix("-"))
        if command is None:
            _say(f"{words[0]}: `{name}': Unknown command")
            return EXIT_USAGE
        sys.stdout.write(f"Usage: hadoop fs [generic options] -{name} {command.usage}".rstrip())
        sys.stdout.write("\n")
    if len(words) == 1:
        sys.stdout.write(_usage())
    return 0


def _usage() -> str:
    lines = [f"\t[-{name} {command.usage}]\n" for name, command in COMMANDS.items()]
    return "".join(["Usage: hadoop fs [generic options]\n", *lines])


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
