"""The token of a JobTracker's clients: a file that only its owner can read, or the environment."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from mrmesos.conf import JOBTRACKER_TOKEN_FILE, Conf

TOKEN_VARIABLE = "MRMESOS_TOKEN"
FILE_VARIABLE = "MRMESOS_TOKEN_FILE"
DEFAULT_FILE = "~/.mrmesos/token"
_BYTES_MAX = 64 << 10


class TokenError(ValueError):
    """A token cannot be had; the message names its file and says why."""


def token_path(conf: Conf, environ: Mapping[str, str]) -> Path:
    """Where the token is: `jobtracker.token.file`, else MRMESOS_TOKEN_FILE, else the default."""
    named = conf.get_as(JOBTRACKER_TOKEN_FILE) or environ.get(FILE_VARIABLE) or DEFAULT_FILE
    return Path(named).expanduser()


def own_token(path: Path) -> str:
    """A JobTracker's token, which is made (mode 0600) where there is none. Raises TokenError."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
    except OSError as problem:
        raise TokenError(f"{path}: {problem.strerror or problem}") from problem
    return _read(path)


def client_token(conf: Conf, environ: Mapping[str, str]) -> str:
    """The token to show: MRMESOS_TOKEN, else the file's; empty where there is none.

    Raises TokenError where there is a file that cannot be read.
    """
    if given := environ.get(TOKEN_VARIABLE, "").strip():
        return _checked(given, TOKEN_VARIABLE)
    path = token_path(conf, environ)
    return _read(path) if path.exists() else ""


def _make(path: Path) -> None:
    """Whoever else makes it at the same moment, one whole token is there afterwards."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
        with contextlib.suppress(FileExistsError):
            os.link(part, path)
    finally:
        part.unlink()


def private_text(path: Path) -> str:
    """What is in a file that holds a secret, at most 64 KiB. Raises TokenError.

    As with ssh's keys it is ours or root's, and nobody else may touch it: another owner could put
    a secret of its own there, or have ours sent where it likes.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            _check_owner(path, status)
            return file.read(_BYTES_MAX).decode("utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise TokenError(f"{path}: {getattr(problem, 'strerror', None) or problem}") from problem


def _check_owner(path: Path, status: os.stat_result) -> None:
    if status.st_uid not in (os.geteuid(), 0):
        raise TokenError(
            f"{path} belongs to another user ({status.st_uid}), who can change it; "
            "have it belong to you (chown), or name another file"
        )
    mode = status.st_mode & 0o777
    if mode & 0o077:
        raise TokenError(f"{path} has mode {mode:o}, and others can use what it holds; make it 600")


def _read(path: Path) -> str:
    return _checked(private_text(path).strip(), str(path))


def _checked(token: str, where: str) -> str:
    """An empty token would let everybody in, and one with a newline make a header of its own."""
    if len(token) < 16 or not token.isascii() or not token.isprintable() or " " in token:
        raise TokenError(f"{where} holds no token: at least 16 printable characters without spaces")
    return token
