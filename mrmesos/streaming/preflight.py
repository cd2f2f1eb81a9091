"""Checks of commands before anything starts: mistakes that the client can see.

A program that is not sent may still exist on agents. So unless the job runs on this machine, we
refuse only files that exist here and are not sent.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from mrmesos.streaming.spec import Program, ProgramKind
from mrmesos.streaming.values import BadOption
from mrmesos.task.files.job_files import named_files

_MAGIC = (b"#!", b"\x7fELF")


def check_program(
    program: Program, files: Sequence[str], archives: Sequence[str], *, local: bool
) -> None:
    """Raise BadOption if the command of a job cannot run."""
    if program.kind is not ProgramKind.COMMAND:
        return
    _check_pipe(program.command)
    name = program.command[0]
    sent = _sent(files)
    plain = name.removeprefix("./")
    if plain in sent:
        _check_start(plain, Path(sent[plain]), local=local)
        return
    inside = _inside(plain, archives)
    _check_script(program.command, sent, archives)
    if "/" not in name.removeprefix("./") and Path(plain).is_file() and not shutil.which(name):
        raise BadOption(f"{plain} is a file here but is not sent; add -files {plain}")
    if local and not inside and not name.startswith("/") and not shutil.which(name):
        raise BadOption(
            f"there is no program {name} on this machine; check its name, or send it with -files"
        )
    if local and name.startswith("/") and (problem := _no_program(name)):
        raise BadOption(f"{name} {problem}")


def _no_program(path: str) -> str:
    """Why a path is no program; empty if it is one."""
    if not Path(path).exists():
        return "does not exist"
    if not Path(path).is_file():
        return "is a directory; name a program in it"
    return "" if os.access(path, os.X_OK) else "is not executable (chmod +x)"


def _check_pipe(command: Sequence[str]) -> None:
    """Refuse `a | b`. `cut -d | -f 1` is right: no shell reads the command."""
    for before, word, after in zip(command, command[1:], command[2:], strict=False):
        if word == "|" and not before.startswith("-") and shutil.which(after):
            raise BadOption(
                f"no shell reads the command, so `| {after}` is no pipe; write "
                f"sh -c '{' '.join(command)}'"
            )


_INTERPRETER = re.compile(
    r"(python[\d.]*|pypy[\d.]*|perl|ruby|node|php|Rscript|lua|(ba|da|k|z)?sh)"
)


def _check_script(command: Sequence[str], sent: Mapping[str, str], archives: Sequence[str]) -> None:
    """Refuse a script that an interpreter will not find: it looks in the command's directory."""
    if len(command) < 2 or not _INTERPRETER.fullmatch(Path(command[0]).name):
        return
    script = command[1].removeprefix("./")
    if script.startswith(("-", "/", "$")) or script in sent or _inside(script, archives):
        return
    if script.partition("/")[0] in sent:
        return  # within a directory that is sent
    if Path(script).is_file():
        raise BadOption(f"{script} is a file here but is not sent; add -files {script}")
    raise BadOption(f"there is no {script}; check its name, and send it with -files")


def _inside(name: str, archives: Sequence[str]) -> bool:
    """Whether a path belongs to a file in an archive."""
    return any(name.startswith(f"{_name(each)}/") for each in named_files(archives))


def _name(text: str) -> str:
    _, hash_mark, alias = text.rpartition("#")
    return alias if hash_mark else text.rstrip("/").rpartition("/")[2]


def _sent(files: Sequence[str]) -> dict[str, str]:
    """The path of each file that is sent, by the name that it has for children."""
    return {_name(text): text.partition("#")[0] for text in named_files(files)}


def _check_start(name: str, path: Path, *, local: bool) -> None:
    """Whether the kernel can start this file. On agents there may be other interpreters."""
    if not path.is_file():
        return  # a URI, or no such file; the check of files reports that
    with path.open("rb") as opened:
        first = opened.readline(256)
    if not first.startswith(_MAGIC):
        raise BadOption(
            f"{name} has no #! line; add one such as #!/usr/bin/env python3, or name its "
            f"interpreter: 'python3 {name}'"
        )
    if first.startswith(b"#!") and first.endswith(b"\r\n"):
        raise BadOption(f"the #! line of {name} ends in \\r\\n; save the file with Unix line ends")
    if local and first.startswith(b"#!"):
        _check_interpreter(name, first[2:].decode("utf-8", "replace").split())


def _check_interpreter(name: str, words: Sequence[str]) -> None:
    """Check the words of a #! line: a path, or `/usr/bin/env` and a name."""
    if not words:
        raise BadOption(f"the #! line of {name} names no interpreter")
    if Path(words[0]).name == "env":
        program = next((word for word in words[1:] if not word.startswith("-")), "")
        if "=" not in program and not shutil.which(program):
            raise BadOption(
                f"the #! line of {name} asks for {program or 'nothing'}, which is not on the PATH"
            )
    elif problem := _no_program(words[0]):
        raise BadOption(f"the #! line of {name} names {words[0]}, which {problem}")
