"""Completes ids and settings on the command line (docs/command-line.md).

The shell runs the command for each TAB. So every source has a short deadline, and a source that
fails completes nothing. Thread: main.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

import click
from click.shell_completion import CompletionItem

from mrmesos.client.terminal.errors import UsageProblem

SECONDS = 1.0
"""How long a JobTracker may take."""
MOST = 50


def job_ids(ctx: click.Context, _param: click.Parameter, begun: str) -> list[CompletionItem]:
    """Ids of the JobTracker's jobs and chains, then of kept jobs, with their state and name."""
    found: dict[str, str] = {}
    with contextlib.suppress(UsageProblem, ValueError):
        found |= _of_jobtracker(ctx)
    with contextlib.suppress(ValueError):
        found |= {name: words for name, words in _of_history() if name not in found}
    return _matching(found.items(), begun)


def ended_ids(_ctx: click.Context, _param: click.Parameter, begun: str) -> list[CompletionItem]:
    """Ids of jobs in the history, the last first."""
    return _matching(_of_history(), begun)


def assignments(_ctx: click.Context, _param: click.Parameter, begun: str) -> list[CompletionItem]:
    """Settings as `NAME=`."""
    from mrmesos.conf import SETTINGS

    return _matching(((f"{name}=", each.doc) for name, each in SETTINGS.items()), begun)


def setting_names(_ctx: click.Context, _param: click.Parameter, begun: str) -> list[CompletionItem]:
    """Names of settings."""
    from mrmesos.conf import SETTINGS

    return _matching(((name, each.doc) for name, each in SETTINGS.items()), begun)


def _of_jobtracker(ctx: click.Context) -> dict[str, str]:
    from mrmesos.client.access import open_client
    from mrmesos.client.api_client import ApiProblem, Unreachable
    from mrmesos.client.config.configuration import read_configuration

    configuration = read_configuration(ctx.params.get("profile") or "")
    url = ctx.params.get("jobtracker") or configuration.jobtracker.text
    client = open_client(url, configuration.layers.for_client(), retry_seconds=0.0)
    client.be_quick(SECONDS)
    try:
        chains = {c.chain_id: f"{c.state.value} {c.name}" for c in client.chain_statuses()}
        jobs = {each.job_id: f"{each.state.value} {each.name}" for each in client.statuses()}
        return dict(reversed({**jobs, **chains}.items()))
    except (ApiProblem, Unreachable):
        return {}
    finally:
        client.close()


def _of_history() -> list[tuple[str, str]]:
    from mrmesos.client.kept_jobs import history_dir
    from mrmesos.jobtracker.storage.history import History, HistoryError

    try:
        lines = History(history_dir()).lines(limit=MOST)
    except HistoryError:
        return []
    return [(line.job_id, f"{line.state} {line.name}") for line in lines]


def _matching(items: Iterable[tuple[str, str]], begun: str) -> list[CompletionItem]:
    found = [(text, words) for text, words in items if text.startswith(begun)]
    return [CompletionItem(text, help=words or None) for text, words in found[:MOST]]
