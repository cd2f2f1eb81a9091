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
    """A token cannot be read or created. The message names the file and says why."""


def token_path(conf: Conf, environ: Mapping[str, str]) -> Path:
    """The token's file: `jobtracker.token.file`, else MRMESOS_TOKEN_FILE, else the default."""
    named = conf.get_as(JOBTRACKER_TOKEN_FILE) or environ.get(FILE_VARIABLE) or DEFAULT_FILE
    return Path(named).expanduser()


def own_token(path: Path) -> str:
    """A JobTracker's token. Creates the file (mode 0600) if there is none. Raises TokenError."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
    except OSError as problem:
        raise TokenError(f"{path}: {problem.strerror or problem}") from problem
    return _read(path)


def client_token(conf: Conf, environ: Mapping[str, str]) -> str:
    """A client's token: MRMESOS_TOKEN, else the file's; empty if there is none.

    Raises TokenError if the file exists but cannot be read.
    """
    if given := environ.get(TOKEN_VARIABLE, "").strip():
        return _checked(given, TOKEN_VARIABLE)
    path = token_path(conf, environ)
    return _read(path) if path.exists() else ""


def _make(path: Path) -> None:
    """Create the file. If other processes do so at the same moment, one whole token remains."""
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
    """The text of a file with a secret, at most 64 KiB. Raises TokenError.

    As with ssh's keys, the file must belong to us or root, and nobody else may have access. Another
    owner could replace our secret with its own, or make us send ours to a place of its choice.
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
            "make yourself the owner (chown), or name another file"
        )
    mode = status.st_mode & 0o777
    if mode & 0o077:
        raise TokenError(f"{path} has mode {mode:o}, and others can use what it holds; make it 600")


def _read(path: Path) -> str:
    return _checked(private_text(path).strip(), str(path))


def _checked(token: str, where: str) -> str:
    """Check a token. An empty one would admit everybody; one with a newline could add a header."""
    if len(token) < 16 or not token.isascii() or not token.isprintable() or " " in token:
        raise TokenError(f"{where} holds no token: at least 16 printable characters without spaces")
    return token
