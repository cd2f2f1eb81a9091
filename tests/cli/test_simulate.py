from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mrmesos.cli import main

SPEC = """
seed = 5

[cluster]
agents = 8
racks = 2
cpus = 2
memory_mb = 4096

[failures]
attempt = 0.02
agent_mtbf_hours = 0.2

[frameworks]
count = 2

[[jobs]]
name = "some"
count = 10
interval = 4
arrival = "poisson"
maps = 12
reduces = 2
shuffle_mb = 100
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    file = tmp_path / "spec.toml"
    file.write_text(SPEC)
    return file


def simulate(*args: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["simulate", *map(str, args)])
    return result.exit_code, result.output


def test_the_figures_have_the_same_bytes_whatever_hashes_are(spec: Path, tmp_path: Path) -> None:
    written = []
    for seed in ("0", "1", "77"):
        out = tmp_path / f"{seed}.json"
        subprocess.run(
            [sys.executable, "-m", "mrmesos", "simulate", "--json", str(out), str(spec)],
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "PYTHONHASHSEED": seed},
            timeout=60,
        )
        written.append(out.read_bytes())
    assert written[0] == written[1] == written[2]
    figures = json.loads(written[0])
    assert figures["jobs"] == 10
    assert "pace" not in figures


def test_tables_json_and_picture(spec: Path, tmp_path: Path) -> None:
    out, picture = tmp_path / "out.json", tmp_path / "out.svg"
    code, text = simulate("--json", out, "--pace", "--plot", picture, "--seed", "9", spec)
    assert code == 0, text
    assert "8 agents, seed 9: 10 jobs" in text
    assert "decisions/s" in text
    figures = json.loads(out.read_text())
    assert figures["seed"] == 9
    assert figures["pace"]["core_events_per_second"] > 0
    assert picture.read_text().startswith("<svg")


def test_options_change_the_cluster_and_the_settings(spec: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    args = ["--agents", "20", "--racks", "4", "--slots-per-agent", "3", "-D", "map.cpus=0.5"]
    code, text = simulate(*args, "--json", out, spec)
    assert code == 0, text
    assert json.loads(out.read_text())["agents"] == 20


def test_a_swim_file_needs_no_specification(tmp_path: Path) -> None:
    swim = tmp_path / "swim.tsv"
    swim.write_text("job0\t1\t1\t600000000\t1000\t10\njob1\t2\t1\t5\t0\t0\n")
    code, text = simulate("--swim", swim, "--agents", "5")
    assert code == 0, text
    assert "2 jobs (2 SUCCEEDED) of 5 tasks" in text
    code, text = simulate("--swim", swim, "--share", "0.5", "--agents", "5")
    assert "1 job (1 SUCCEEDED)" in text


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), "nothing to run"),
        (("-D", "map.cpus=lots", "SPEC"), "map.cpus"),
        (("-D", "nonsense", "SPEC"), "expected name=value"),
        (("--share", "0.5", "SPEC"), "SWIM"),
        (("--agents", "0", "SPEC"), "--agents"),
        (("none.toml",), "none.toml"),
        (("--slots-per-agent", "1", "-D", "map.cpus=0.001", "SPEC"), "map.cpus"),
    ],
)
def test_mistakes_are_told_in_one_line(spec: Path, args: tuple[str, ...], words: str) -> None:
    code, text = simulate(*[str(spec) if arg == "SPEC" else arg for arg in args])
    assert code == 2
    assert words in text
    assert "Traceback" not in text


def test_a_history_with_faults_runs_by_its_seed() -> None:
    args = ["simulate", "--faults", "--seed", "3", "--runs", "2", "--world", "cut"]
    one, two = (CliRunner().invoke(main, args) for _ in range(2))
    assert one.exit_code == 0, one.output
    seed, figures = one.output.splitlines()
    assert seed == "seed 3"
    assert figures.startswith("2 histories, ")
    assert figures.split(";")[0] == two.output.splitlines()[1].split(";")[0]


def test_a_seed_is_chosen_and_printed_and_replays() -> None:
    args = ["simulate", "--faults", "--world", "apart", "--story"]
    one = CliRunner().invoke(main, args).output.splitlines()
    assert "-> Tick()" in "\n".join(one)
    two = CliRunner().invoke(main, [*args, "--seed", one[0].removeprefix("seed ")])
    assert two.output.splitlines()[:-1] == one[:-1]


def test_a_broken_promise_is_printed_with_its_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    from mrmesos.simulator.faults.world import FaultWorld

    def broken(_world: FaultWorld) -> None:
        raise AssertionError("broken on purpose")

    monkeypatch.setattr(FaultWorld, "check_held", broken)
    result = CliRunner().invoke(main, ["simulate", "--faults", "--seed", "5", "--runs", "9"])
    assert result.exit_code == 1
    assert "AssertionError: broken on purpose" in result.output
    assert "replay it: mrmesos simulate --faults --seed 5\n" in result.output
    assert "1 failures" in result.output


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (["--runs", "2"], "go only with --faults"),
        (["--world", "cut"], "go only with --faults"),
        (["--faults", "--agents", "3"], "--faults goes only with"),
        (["--faults", "--pace"], "--faults goes only with"),
        (["--faults", "--seed", "1", "-D", "scheduler=fair"], "--faults goes only with"),
    ],
)
def test_options_of_both_uses_are_not_mixed(args: list[str], why: str) -> None:
    result = CliRunner().invoke(main, ["simulate", *args])
    assert result.exit_code == 2
    assert why in result.output
