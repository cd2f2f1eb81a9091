"""What a user is told in one line on stderr instead of a traceback."""

from __future__ import annotations

import click


class UsageProblem(click.ClickException):
    """What was asked for cannot be done as it stands; the message says what to change."""

    exit_code = 2


class Failure(click.ClickException):
    """It was asked for rightly, and did not work."""

    exit_code = 1


def not_unicode(text: str) -> UsageProblem:
    """For a text with lone surrogates, which argument bytes that are no UTF-8 become, too."""
    return UsageProblem(
        f"{ascii(text)[1:-1]} is not Unicode text, as names, paths and settings of jobs must be: "
        "write it in UTF-8 (the job's own arguments, after --, may be any bytes)"
    )


def reason(problem: BaseException) -> str:
    """Why a connection failed, without Python's `[Errno 111]`; never empty."""
    return getattr(problem, "strerror", None) or str(problem) or type(problem).__name__


def one_line(problem: BaseException) -> str:
    """`ValueError: what it says`, on one line and not endless."""
    text = " ".join(str(problem).split())
    name = type(problem).__name__
    return f"{name}: {text[:500]}" if text else name
