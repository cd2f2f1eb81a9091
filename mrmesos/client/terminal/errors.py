"""Errors that are printed as one line on stderr, without a traceback."""

from __future__ import annotations

import click


class UsageProblem(click.ClickException):
    """The user has to change the command or the script; the message says how.

    `detail` is shown below the message: the traceback of the user's own code.
    """

    exit_code = 2

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class Failure(click.ClickException):
    """The command was right, but it failed."""

    exit_code = 1


def not_unicode(text: str) -> UsageProblem:
    """The error for a text with lone surrogates. Arguments that are not UTF-8 contain them."""
    return UsageProblem(
        f"{ascii(text)[1:-1]} is not Unicode text, as names, paths and settings of jobs must be: "
        "write it in UTF-8 (the job's own arguments, after --, may be any bytes)"
    )


def reason(problem: BaseException) -> str:
    """Why a connection failed, without Python's `[Errno 111]`. Never empty."""
    return getattr(problem, "strerror", None) or str(problem) or type(problem).__name__


def one_line(problem: BaseException) -> str:
    """`ValueError: message` in one line of limited length."""
    try:
        text = " ".join(str(problem).split())
    except Exception as wrong:  # noqa: BLE001 (a user's __str__ may raise anything)
        text = f"<its str() raises {type(wrong).__name__}>"
    name = type(problem).__name__
    return f"{name}: {text[:500]}" if text else name
