"""The option `--profile`, and the configuration of the command that is running."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from mrmesos.client.config.configuration import (
    PROFILE_VARIABLE,
    Configuration,
    known_profiles,
    read_configuration,
)
from mrmesos.client.terminal.errors import UsageProblem

F = TypeVar("F", bound=Callable[..., Any])
_KEY = "mrmesos.configuration"


def profiles(_ctx: click.Context, _param: click.Parameter, begun: str) -> list[str]:
    """Completes names of profiles."""
    try:
        return [name for name in known_profiles() if name.startswith(begun)]
    except UsageProblem:
        return []


def profile_option(function: F) -> F:
    """The option that chooses a profile of mrmesos.toml."""
    return click.option(
        "--profile",
        default="",
        metavar="NAME",
        shell_complete=profiles,
        help=f"Use [profile.NAME] of mrmesos.toml.  [env var: {PROFILE_VARIABLE}]",
    )(function)


def jobtracker_option(function: F) -> F:
    """The options that name a running JobTracker: its URL, or a profile that contains the URL.

    The command gets the URL. `open_jobtracker` takes the token from the same configuration.
    """
    option = click.option(
        "--jobtracker",
        metavar="URL",
        callback=_url,
        help="URL of the JobTracker, or the zk://… address of its election.  [default: that of "
        "MRMESOS_JOBTRACKER_URL, else of mrmesos.toml, else http://127.0.0.1:5055]",
    )
    profile = click.option(
        "--profile",
        default="",
        metavar="NAME",
        shell_complete=profiles,
        is_eager=True,  # the URL may come from the profile
        expose_value=False,
        callback=_configured,
        help=f"Use [profile.NAME] of mrmesos.toml.  [env var: {PROFILE_VARIABLE}]",
    )
    return option(profile(function))


def current_configuration() -> Configuration:
    """The configuration of the command that is running. Raises UsageProblem."""
    ctx = click.get_current_context(silent=True)
    if ctx is None:
        return read_configuration()
    if _KEY not in ctx.meta:
        _configured(ctx, None, "")
    found: Configuration = ctx.meta[_KEY]
    return found


def _configured(ctx: click.Context, _param: object, profile: str) -> None:
    ctx.meta[_KEY] = configuration = read_configuration(profile)
    for warning in configuration.warnings:
        click.echo(f"warning: {warning}", err=True)


def _url(_ctx: click.Context, _param: object, url: str | None) -> str:
    return url or current_configuration().jobtracker.text
