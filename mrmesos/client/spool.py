"""Makes files that tasks can read from input that can be read only once: `--input -` and named
pipes.

In: the inputs as they were given. Out: the same, with a file in place of standard input and of each
pipe. For local jobs, the files are in the temporary directory. For jobs of a cluster they are
beside the output, because agents reach that place. The command removes them at its end. Thread:
main.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import stat
import sys
import uuid
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.conf import INPUT_SPOOL_MAXBYTES, Conf
from mrmesos.io.fs.filesystem import OutputError, open_filesystem, reason, uri_of
from mrmesos.io.fs.scratch import Scratch

STDIN = "-"
_PIECE = 1 << 20


class Spool:
    """The files made of pipes, until `close`."""

    def __init__(self, output: str, conf: Conf, *, local: bool, detach: bool) -> None:
        self._output, self._local, self._detach = output, local, detach
        self._limit = conf.get_as(INPUT_SPOOL_MAXBYTES)
        self._left = self._limit
        self._count = 0
        self._scratch: Scratch | None = None
        self._directory: tuple[Any, str] | None = None

    def taken(self, inputs: Sequence[str]) -> tuple[str, ...]:
        """The inputs, with files in place of pipes.

        Raises UsageProblem if a pipe cannot be read or spooled, or holds more than is allowed.
        """
        if sum(_named(given)[1] == STDIN for given in inputs) > 1:
            raise UsageProblem(f"--input {STDIN}: standard input can be one input only")
        return tuple(self._file_of(given) for given in inputs)

    def _file_of(self, given: str) -> str:
        name, uri = _named(given)
        if uri == STDIN:
            if sys.stdin is None or sys.stdin.closed:
                raise UsageProblem(f"--input {given}: standard input is closed")
            return name + self._spooled("standard input", sys.stdin.buffer)
        path = uri.removeprefix("file://")
        if not _is_pipe(path):
            return given
        with open(path, "rb") as pipe:  # noqa: PTH123 (any text may be an input)
            return name + self._spooled(path, pipe)

    def _spooled(self, name: str, pipe: BinaryIO) -> str:
        if pipe.isatty():
            raise UsageProblem(
                f"{name} is a terminal; send data to it, such as: "
                f"gzip -dc FILE | mrmesos submit … --input {STDIN}"
            )
        if self._detach:
            raise UsageProblem(
                f"{name} is read by this command, which removes it at the end; so --detach cannot "
                "have it: put it into a file"
            )
        fs, directory = self._made()
        self._count += 1
        path = posixpath.join(directory, f"input-{self._count}")
        try:
            with fs.open(path, "wb") as file:
                while piece := pipe.read(_PIECE):
                    self._left -= len(piece)
                    if self._left < 0:
                        raise UsageProblem(
                            f"{name} has more than {self._limit} bytes, the limit that "
                            f"-D {INPUT_SPOOL_MAXBYTES.name}=… sets; put it into a file"
                        )
                    file.write(piece)
        except UsageProblem:
            raise
        except Exception as exc:  # drivers raise any type
            where = uri_of(fs, path)
            raise UsageProblem(f"{name} cannot be spooled to {where}: {reason(exc)}") from exc
        return uri_of(fs, path)

    def _made(self) -> tuple[Any, str]:
        """The directory of the files, and its filesystem."""
        if self._directory is not None:
            return self._directory
        if self._local:
            self._scratch = Scratch("mrmesos-input-")
            self._directory = open_filesystem(self._scratch.name)
            return self._directory
        try:
            fs, output = open_filesystem(self._output, error=OutputError)
            parent = posixpath.dirname(output.rstrip("/"))
            self._directory = fs, posixpath.join(parent, f"_input-{uuid.uuid4().hex}")
            fs.makedirs(self._directory[1], exist_ok=True)
        except OutputError as exc:
            raise UsageProblem(str(exc)) from exc
        except Exception as exc:  # drivers raise any type
            raise UsageProblem(
                f"{self._output}: no directory can be made beside it: {reason(exc)}"
            ) from exc
        return self._directory

    def close(self, warn: Callable[[str], None]) -> None:
        """Remove the files."""
        if self._scratch is not None:
            self._scratch.cleanup()
        elif self._directory is not None:
            fs, directory = self._directory
            try:
                with contextlib.suppress(FileNotFoundError):
                    fs.rm(directory, recursive=True)
            except Exception as exc:  # noqa: BLE001 -- drivers raise any type
                warn(f"{uri_of(fs, directory)} cannot be removed: {reason(exc)}")
        self._scratch = self._directory = None


def reads_pipe(given: str) -> bool:
    """Whether an input is standard input or a pipe."""
    return given == STDIN or _is_pipe(given.removeprefix("file://")) or bool(_named(given)[0])


def _named(given: str) -> tuple[str, str]:
    """`NAME=` of a job with named inputs, and the URI."""
    name, equals, uri = given.partition("=")
    if equals and not _is_pipe(given) and (uri == STDIN or _is_pipe(uri)):
        return f"{name}=", uri
    return "", given


def _is_pipe(path: str) -> bool:
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 (no Path: any text may be an input)
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)
