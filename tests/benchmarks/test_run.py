"""The whole way on the smallest inputs: our own rows, and peers that any machine has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.results import Results, Status, load
from benchmarks.run import plan
from benchmarks.systems import ROOT, System, import_problem, systems
from benchmarks.workloads import SIZES, Operation, workloads


def bench(tmp_path: Path, *options: str) -> Results:
    command = [
        *(sys.executable, "-m", "benchmarks.run", "--size", "tiny", "--runs", "1"),
        *("--data", str(tmp_path / "data"), "--work", str(tmp_path / "work")),
        *("--results", str(tmp_path / "results"), "--timeout", "60", *options),
    ]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=110
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert list((tmp_path / "work").iterdir()) == []
    return load(Path(done.stdout.splitlines()[-1]))


def assert_all_right(results: Results) -> None:
    for row in results.rows:
        if row.status is not Status.SKIPPED:
            assert row.status is Status.OK, (row.workload, row.system, row.reason)
            assert row.runs[0].cpu > 0
            assert not row.runs[0].killed


def test_plain_python_and_tools_agree(tmp_path: Path) -> None:
    results = bench(tmp_path, "--systems", "python,gnu-sort,mawk")
    assert {row.workload for row in results.rows} == {"wordcount", "sort", "groupsum", "latency"}
    assert_all_right(results)


@pytest.mark.slow
@pytest.mark.parametrize("workload", [workload.name for workload in workloads(SIZES["tiny"])])
def test_our_own_rows(tmp_path: Path, workload: str) -> None:
    results = bench(tmp_path, "--systems", "mrmesos", "--only", workload)
    assert results.rows
    assert_all_right(results)


@pytest.mark.slow
@pytest.mark.parametrize("peer", ["duckdb", "polars", "dask"])
def test_peers_where_they_are_installed(tmp_path: Path, peer: str) -> None:
    results = bench(tmp_path, "--systems", peer, "--only", "wordcount,sort,groupsum")
    assert results.rows
    assert_all_right(results)


def test_wrong_output_and_failures_are_told(tmp_path: Path) -> None:
    from benchmarks.run import Bench

    wrong = tmp_path / "wrong.sh"
    wrong.write_text('mkdir "$3" && echo "a 1" >"$3/part-0"')
    broken = tmp_path / "broken.sh"
    broken.write_text("echo 'error: out of luck' >&2\necho 'next: try again' >&2\nexit 3")
    absent = tmp_path / "absent.sh"
    (tmp_path / "work").mkdir()
    results = Results("", "tiny", 1, {}, {}, {})
    measurement = Bench(results, tmp_path / "r.json", tmp_path / "data", tmp_path / "work", 60.0)
    asked = [
        System(script.stem, "", Path("/bin/sh"), {Operation.GROUPSUM: script})
        for script in (wrong, broken, absent)
    ]
    (workload,) = [w for w in workloads(SIZES["tiny"]) if w.name == "groupsum"]
    measurement.measure_all([(workload, asked)])
    found = {row.system: (row.status, row.reason) for row in load(tmp_path / "r.json").rows}
    assert found["wrong"] == (Status.FAILED, "the output differs from the reference")
    assert found["broken"] == (
        Status.FAILED,
        "exit code 3: error: out of luck; next: try again",
    )
    assert found["absent"][0] is Status.SKIPPED
    assert "absent.sh" in found["absent"][1]


def test_plans() -> None:
    everything = {workload.name: asked for workload, asked in plan("tiny", [], [])}
    assert [system.name for system in everything["sort"]][:3] == [
        "mrmesos-vectorised",
        "python",
        "gnu-sort",
    ]
    assert {system.ours for system in everything["one-key"]} == {True}
    chosen = plan("tiny", ["groupsum"], ["mrmesos", "mawk"])
    assert [[system.name for system in asked] for _, asked in chosen] == [
        ["mrmesos", "mrmesos-sum", "mrmesos-vectorised", "mawk"]
    ]
    with pytest.raises(ValueError, match="no workload 'sorts'; there are wordcount, sort"):
        plan("tiny", ["sorts"], [])
    with pytest.raises(ValueError, match="no system 'hadoop'"):
        plan("tiny", [], ["hadoop"])


def test_every_script_of_a_peer_is_there() -> None:
    for system in systems():
        for operation, job in system.jobs.items():
            script = Path(str(job).partition(":")[0])
            assert script.is_file() or script.parent.name == "terasort", (system.name, operation)


def test_what_does_not_import_is_named() -> None:
    assert import_problem(Path(sys.executable), "json") == ""
    assert "No module named 'there_is_none'" in import_problem(
        Path(sys.executable), "there_is_none"
    )
    assert "make bench-peers" in import_problem(Path("/nonexistent/python"), "duckdb")
