"""What all verbs share: suggestions, completion by the shell, tables and JSON."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from mrmesos.cli import IN_GROUPS, VERBS, main
from mrmesos.client.terminal.tables import print_table
from tests.cli.test_job import Desk, desk

__all__ = ["desk"]

NO_JSON = {
    "cat": "prints records as they are",
    "hadoop-home": "prints one path",
    "history serve": "serves pages",
    "job logs": "prints logs as they are",
    "jobtracker": "prints one URL",
    "minimesos": "has --announce",
    "streaming": "has Hadoop's options",
    "ui": "prints one address",
    "config schema": "always prints JSON",
}
"""Commands without --json, and why."""


def commands() -> dict[str, click.Command]:
    ctx = click.Context(main)
    found: dict[str, click.Command] = {}
    for verb in VERBS:
        command = main.get_command(ctx, verb)
        assert command is not None
        if isinstance(command, click.Group):
            found |= {f"{verb} {name}": each for name, each in command.commands.items()}
        else:
            found[verb] = command
    return found


def test_every_command_prints_json() -> None:
    without = {
        name
        for name, each in commands().items()
        if not any("--json" in p.opts for p in each.params)
    }
    assert without == set(NO_JSON)


def test_the_verbs_of_groups_are_known() -> None:
    for group, verbs in IN_GROUPS.items():
        assert {f"{group} {verb}" for verb in verbs} <= set(commands())


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("submti", "Did you mean 'submit'?"),
        ("kill job_1", "Did you mean `mrmesos job kill`?"),
        ("list", "Did you mean `mrmesos job list` or `mrmesos history list`?"),
        ("job lsit", "Did you mean 'list'?"),
        ("submit --inptu x", "Did you mean '--input'?"),
    ],
)
def test_a_mistyped_verb_or_option_has_a_suggestion(words: str, meant: str) -> None:
    result = CliRunner().invoke(main, words.split(), prog_name="mrmesos")
    assert result.exit_code == 2
    assert meant in result.stderr


def complete(words: str, **environ: str) -> list[str]:
    """The words that bash would offer in place of the last word."""
    parts = words.split(" ")
    done = subprocess.run(
        [sys.executable, "-c", "from mrmesos.__main__ import main; main(prog_name='mrmesos')"],
        env={
            **os.environ,
            **environ,
            "_MRMESOS_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(parts) - 1),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line.strip(", ")]


def test_verbs_options_and_settings_are_completed() -> None:
    assert complete("mrmesos su") == ["submit"]
    assert "--dry-run" in complete("mrmesos submit --")
    assert complete("mrmesos submit job.py -D map.me") == ["map.memory.mb="]
    assert complete("mrmesos config show io.sort.m") == ["io.sort.mb"]


def test_profiles_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mrmesos.toml").write_text("[profile.prod]\n[profile.test]\n")
    file = str(tmp_path / "mrmesos.toml")
    assert complete("mrmesos job list --profile p", MRMESOS_CONFIG_FILE=file) == ["prod"]


def test_ids_of_jobs_are_completed(desk: Desk) -> None:
    environ = {"MRMESOS_JOBTRACKER_URL": desk.url, "MRMESOS_TOKEN": desk.service.token}
    assert desk.job_id in complete("mrmesos job status job_", **environ)
    assert complete("mrmesos job status task_", **environ) == []


def test_completion_survives_a_missing_jobtracker_and_a_wrong_file(tmp_path: Path) -> None:
    (tmp_path / "mrmesos.toml").write_text("nonsense")
    file = str(tmp_path / "mrmesos.toml")
    assert complete("mrmesos job status job_9", MRMESOS_CONFIG_FILE=file) == []
    assert complete("mrmesos job list --profile p", MRMESOS_CONFIG_FILE=file) == []


def test_the_script_of_each_shell_is_printed() -> None:
    for shell in ("bash", "zsh", "fish"):
        result = CliRunner().invoke(
            main, [], prog_name="mrmesos", env={"_MRMESOS_COMPLETE": f"{shell}_source"}
        )
        assert result.exit_code == 0
        assert f"_MRMESOS_COMPLETE={shell}_complete" in result.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_takes_the_script(tmp_path: Path) -> None:
    bin_directory = Path(sys.executable).parent
    done = subprocess.run(
        [
            "bash",
            "-c",
            'eval "$(_MRMESOS_COMPLETE=bash_source mrmesos)"; complete -p mrmesos; '
            "COMP_WORDS=(mrmesos his); COMP_CWORD=1; _mrmesos_completion mrmesos; "
            'echo "${COMPREPLY[@]}"',
        ],
        env={**os.environ, "PATH": f"{bin_directory}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.splitlines()[-1] == "history", done.stderr


def test_a_terminal_gets_a_table_that_fits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [("JOB", "STATE", "NAME"), ("job_202611291706450847_0001", "FAILED", "long " * 40)]
    print_table(rows)
    assert len(capsys.readouterr().out.splitlines()) == 2
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    print_table(rows)
    lines = re.sub("\x1b\\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    assert len(lines) > 3
    assert max(map(len, lines)) <= 80
    assert sum("job_202611291706450847_0001" in line for line in lines) == 1
