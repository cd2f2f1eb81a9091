"""Checks of commands before anything starts: mistakes that the client can see.

A program that is not sent along may still exist on agents. So without a local run, only files that
lie here and are not sent are refused.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
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
    name = program.command[0]
    sent = _sent(files)
    plain = name.removeprefix("./")
    if plain in sent:
        _check_start(plain, Path(sent[plain]))
        return
    inside = any(plain.startswith(f"{_name(each)}/") for each in named_files(archives))
    if "/" not in name.removeprefix("./") and Path(plain).is_file() and not shutil.which(name):
        raise BadOption(f"{plain} lies here but is not sent along; add -files {plain}")
    if local and not inside and not name.startswith("/") and not shutil.which(name):
        raise BadOption(
            f"there is no program {name} on this machine; check its name, or send it with -files"
        )
    if local and name.startswith("/") and not os.access(name, os.X_OK):
        what = "is not executable (chmod +x)" if Path(name).exists() else "does not exist"
        raise BadOption(f"{name} {what}")


def _name(text: str) -> str:
    _, hash_mark, alias = text.rpartition("#")
    return alias if hash_mark else text.rstrip("/").rpartition("/")[2]


def _sent(files: Sequence[str]) -> dict[str, str]:
    """The path of each file that is sent, by the name that it has for children."""
    return {_name(text): text.partition("#")[0] for text in named_files(files)}


def _check_start(name: str, path: Path) -> None:
    """Whether the kernel can start this file."""
    if not path.is_file():
        return  # a URI; or no such file, which the check of files tells
    with path.open("rb") as opened:
        first = opened.readline(256)
    if not first.startswith(_MAGIC):
        raise BadOption(
            f"{name} has no #! line; add one such as #!/usr/bin/env python3, or name its "
            f"interpreter: 'python3 {name}'"
        )
    if first.startswith(b"#!") and first.endswith(b"\r\n"):
        raise BadOption(f"the #! line of {name} ends in \\r\\n; save the file with Unix line ends")
