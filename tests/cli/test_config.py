"""`mrmesos config`, and that other verbs go by mrmesos.toml and the variables."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mrmesos.cli import main
from mrmesos.client.local_cluster import LocalCluster

JOB = """
from mrmesos.api import Job, Mapper, Settings

class Copy(Job):
    mapper = Mapper
    conf = Settings(map_cpus=0.5) | {"mine": "x"}
"""
NOBODY = "http://nobody/at/all"
"""An address that no command accepts, so that none waits for an answer."""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(LocalCluster, "__init__", None)  # no cluster must be started
    (tmp_path / "job.py").write_text(JOB)
    (tmp_path / "in.txt").write_text("a\n")
    (tmp_path / "mrmesos.toml").write_text(
        f"[settings]\nmap.cpus = 2\nmap.memory.mb = 256\n[profile.far]\njobtracker = '{NOBODY}'\n"
    )
    return tmp_path


def run(*arguments: str, **environ: str) -> Result:
    return CliRunner().invoke(main, arguments, env=environ, prog_name="mrmesos")


def shown(*arguments: str, **environ: str) -> dict[str, tuple[str, str]]:
    result = run("config", "show", "--json", *arguments, **environ)
    assert result.exit_code == 0, result.stderr
    return {row["name"]: (row["value"], row["origin"]) for row in json.loads(result.stdout)}


def test_show_says_each_value_and_its_place(project: Path) -> None:
    file = str(project / "mrmesos.toml")
    rows = shown("--profile", "far", "--job", "job.py", "-D", "io.sort.mb=8", MRMESOS_JOB_POOL="p")
    del rows["jobtracker.token.file"], rows["pickle.key.file"]  # of conftest.py
    assert rows == {
        "jobtracker": (NOBODY, f"{file} [profile.far]"),
        "map.cpus": ("0.5", "job.py: Copy.conf"),
        "mine": ("x", "job.py: Copy.conf"),
        "map.memory.mb": ("256", file),
        "job.pool": ("p", "MRMESOS_JOB_POOL"),
        "io.sort.mb": ("8", "-D"),
    }
    assert shown("--all")["map.speculative"] == ("true", "default")
    assert shown("map.cpus") == {"map.cpus": ("2", file)}


def test_show_suggests_a_name(project: Path) -> None:
    result = run("config", "show", "map.cpu")
    assert result.exit_code == 2
    assert "map.cpu is not a setting of mrmesos; did you mean map.cpus?" in result.stderr


def test_files_and_schema(project: Path) -> None:
    assert run("config", "files").stdout == f"{project / 'mrmesos.toml'}\n"
    schema = json.loads(run("config", "schema").stdout)
    assert "map" in schema["$defs"]["settings"]["properties"]


@pytest.mark.parametrize("verb", ["job list", "ui --no-browser"])
def test_commands_ask_the_jobtracker_of_the_configuration(project: Path, verb: str) -> None:
    for result in (
        run(*verb.split(), MRMESOS_JOBTRACKER_URL=NOBODY),
        run(*verb.split(), "--profile", "far"),
        run(*verb.split(), MRMESOS_PROFILE="far"),
    ):
        assert result.exit_code == 2
        assert NOBODY in result.stderr


@pytest.mark.parametrize(
    ("options", "environ"),
    [((), {"MRMESOS_JOBTRACKER_URL": NOBODY}), (("--profile", "far"), {})],
)
def test_submit_goes_there_too(
    project: Path, options: tuple[str, ...], environ: dict[str, str]
) -> None:
    result = run("submit", "job.py", "--input", "in.txt", "--output", "o", *options, **environ)
    assert result.exit_code == 2
    assert NOBODY in result.stderr


def test_an_option_is_stronger_than_a_variable(project: Path) -> None:
    words = ("submit", "job.py", "--input", "in.txt", "--output", "o", "--master", "127.0.0.1:9")
    result = run(*words, MRMESOS_JOBTRACKER_URL=NOBODY)
    assert "--master 127.0.0.1:9: no Mesos master answers there" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("submit", "job.py", "--input", "in.txt", "--output", "o"),
        ("jobtracker",),
        ("job", "list"),
        ("streaming", "-input", "in.txt", "-output", "o", "-mapper", "cat"),
        ("config", "show"),
        ("ui",),
    ],
)
def test_a_mistake_in_the_file_stops_every_verb(project: Path, words: tuple[str, ...]) -> None:
    (project / "mrmesos.toml").write_text("jobtraker = 'x'\n")
    result = run(*words)
    assert result.exit_code == 2
    assert "jobtraker is not known here; did you mean jobtracker?" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("jobtracker", "-D", "schedular=fair"), "-D: schedular is not a setting"),
        (("jobtracker", "-D", "mine=1"), "-D: mine is not a setting of mrmesos"),
        (("simulate", "-D", "schedular=fair"), "did you mean scheduler?"),
    ],
)
def test_where_there_are_no_parameters_an_unknown_name_is_an_error(
    project: Path, words: tuple[str, ...], said: str
) -> None:
    result = run(*words, *(("--master", "127.0.0.1:9") if words[0] == "jobtracker" else ()))
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_misspelt_name_in_the_class_is_told(project: Path) -> None:
    (project / "job.py").write_text(JOB.replace('"mine"', '"map.memroy.mb"'))
    words = ("submit", "job.py", "--input", "in.txt", "--output", "o", "--master", "127.0.0.1:9")
    said = "warning: job.py: Copy.conf: map.memroy.mb is not a setting of mrmesos; did you mean"
    assert said in run(*words).stderr


def test_streaming_tells_of_a_misspelt_name(project: Path) -> None:
    words = ("-D", "map.memroy.mb=1", "-input", "in.txt", "-output", "o", "-mapper", "cat")
    assert "did you mean" in run("streaming", *words, "--master", "127.0.0.1:9").stderr
