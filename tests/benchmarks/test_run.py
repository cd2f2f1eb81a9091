"""The whole way on the smallest inputs: our own rows, and peers that any machine has."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest

from benchmarks import hadoop_peer
from benchmarks.datasets import copies as copies_of
from benchmarks.datasets import linux_source, numbered, origin_of
from benchmarks.real_text import NotAvailable
from benchmarks.results import Results, Status, load
from benchmarks.run import Bench, check_disk, plan
from benchmarks.systems import ROOT, System, import_problem, systems
from benchmarks.workloads import SIZES, Operation, Workload, workloads


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


def put_linux_source(data: Path) -> None:
    """In place of what `apt-get` would fetch."""
    data.mkdir()
    path = linux_source(SIZES["tiny"].text).path_in(data)
    lines = ["int main(void)\n", "{\n", '\treturn\t"é";  // done\n', "}\n"]
    path.write_text("".join(lines) * 1000, encoding="utf-8")
    origin_of(path).write_text("linux-source-6.1 6.1.1")


def test_plain_python_and_tools_agree(tmp_path: Path) -> None:
    put_linux_source(tmp_path / "data")
    results = bench(tmp_path, "--systems", "python,loop,gnu-sort,mawk")
    words = {"wordcount", "wordcount-real", "wordcount-few", "latency"}
    assert {row.workload for row in results.rows} == {*words, "sort", "groupsum"}
    assert results.versions["linux-source-6.1"] == "6.1.1"
    assert_all_right(results)


def test_text_that_cannot_be_had_is_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (workload,) = [w for w in workloads(SIZES["tiny"]) if w.name == "wordcount-real"]
    results = measured(tmp_path, workload, System("python", "", Path("/bin/sh"), {}))
    (row,) = results.rows
    assert row.status is Status.SKIPPED
    assert row.reason == "apt-cache is not installed: the text is from a package of Debian's"


def test_what_takes_much_disk_runs_once_and_is_removed(tmp_path: Path) -> None:
    copies = tmp_path / "copies.sh"
    copies.write_text(
        'mkdir "$3"; cat "$2"/* | sort | uniq -c | while read -r n w; do\n'
        'printf "%s\\t%s\\n" "$w" "$n"; done >"$3/part-0"'
    )
    system = System("copies", "", Path("/bin/sh"), {Operation.WORDCOUNT: copies})
    dataset = copies_of(numbered(5), 3)
    workload = Workload("many", "", Operation.WORDCOUNT, dataset, disk=1000)
    results = measured(tmp_path, workload, system, runs=2)
    (row,) = results.rows
    assert (row.status, row.reason, len(row.runs)) == (Status.OK, "", 1)
    assert not dataset.path_in(tmp_path / "data").exists()
    too_much = replace(workload, disk=10**18)
    (row,) = measured(tmp_path, too_much, system).rows
    assert row.status is Status.SKIPPED
    assert row.reason.startswith("it needs 1e+09 GB of free disk")


def test_an_input_that_exists_takes_no_more_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload = Workload("many", "", Operation.WORDCOUNT, copies_of(numbered(5), 3), disk=1000)
    free = Mock(free=900)
    monkeypatch.setattr("benchmarks.run.shutil.disk_usage", lambda _: free)
    with pytest.raises(NotAvailable, match="it needs 1 KB of free disk"):
        check_disk(workload, tmp_path, tmp_path)
    made = sum(file.stat().st_size for file in workload.dataset.at(tmp_path).iterdir())
    assert made == 3 * 5 * 8
    check_disk(workload, tmp_path, tmp_path)


def test_peers_that_no_goal_needs_run_once(tmp_path: Path) -> None:
    peers = [system for system in systems() if system.name in ("python", "loop", "mawk")]
    (workload,) = [w for w in workloads(SIZES["tiny"]) if w.name == "groupsum"]
    rows = measured(tmp_path, workload, *peers, runs=2).rows
    assert {row.system: len(row.runs) for row in rows} == {"python": 2, "loop": 2, "mawk": 1}


def test_the_loops_mappers_are_the_jobs() -> None:
    def body(file: Path, name: str) -> str:
        classes = {
            node.name: node
            for node in ast.parse(file.read_text(encoding="utf-8")).body
            if isinstance(node, ast.ClassDef)
        }
        (method,) = [node for node in classes[name].body if isinstance(node, ast.FunctionDef)]
        return ast.dump(method)

    loop = ROOT / "benchmarks" / "peers" / "loop.py"
    wordcount = ROOT / "examples" / "wordcount" / "wordcount.py"
    assert body(loop, "Tokenize") == body(wordcount, "Tokenize")
    assert body(loop, "Tokenize") == body(ROOT / "benchmarks" / "jobs" / "wordsum.py", "Tokenize")
    assert body(loop, "Parse") == body(ROOT / "benchmarks" / "jobs" / "groupsum.py", "Parse")


@pytest.mark.slow
@pytest.mark.parametrize("workload", [workload.name for workload in workloads(SIZES["tiny"])])
def test_our_own_rows(tmp_path: Path, workload: str) -> None:
    put_linux_source(tmp_path / "data")
    results = bench(tmp_path, "--systems", "mrmesos", "--only", workload)
    assert results.rows
    assert_all_right(results)


@pytest.mark.slow
@pytest.mark.parametrize("peer", ["duckdb", "polars", "dask", "dpark", "hadoop"])
def test_peers_where_they_are_installed(tmp_path: Path, peer: str) -> None:
    if peer == "hadoop" and not (hadoop_peer.PLACE / "jars").exists():
        pytest.skip("a benchmark with Hadoop fetches its jars, and no test does")
    put_linux_source(tmp_path / "data")
    only = "wordcount,wordcount-real,wordcount-few,sort,groupsum"
    results = bench(tmp_path, "--systems", peer, "--only", only)
    assert results.rows
    assert_all_right(results)


def measured(tmp_path: Path, workload: Workload, *asked: System, runs: int = 1) -> Results:
    (tmp_path / "work").mkdir(exist_ok=True)
    results = Results("", "tiny", runs, {}, {}, {})
    file = tmp_path / "r.json"
    measurement = Bench(results, file, tmp_path / "data", tmp_path / "work", 60.0)
    measurement.measure_all([(workload, list(asked))])
    return load(file)


def test_wrong_output_and_failures_are_told(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.sh"
    wrong.write_text('mkdir "$3" && echo "a 1" >"$3/part-0"')
    broken = tmp_path / "broken.sh"
    broken.write_text("echo 'error: out of luck' >&2\necho 'next: try again' >&2\nexit 3")
    absent = tmp_path / "absent.sh"
    asked = [
        System(script.stem, "", Path("/bin/sh"), {Operation.GROUPSUM: script})
        for script in (wrong, broken, absent)
    ]
    (workload,) = [w for w in workloads(SIZES["tiny"]) if w.name == "groupsum"]
    rows = measured(tmp_path, workload, *asked).rows
    found = {row.system: (row.status, row.reason) for row in rows}
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
    assert {"wordcount-real", "wordcount-few"} < everything.keys()
    assert not {"one-key", "sort-10x"} & everything.keys()
    ((_, asked),) = plan("tiny", ["wordcount-20x"], [])
    assert [system.name for system in asked] == ["mrmesos-vectorised"]
    ((_, asked),) = plan("tiny", ["one-key"], ["mrmesos", "duckdb"])
    assert {system.ours for system in asked} == {True}
    chosen = plan("tiny", ["groupsum"], ["mrmesos", "mawk"])
    assert [[system.name for system in asked] for _, asked in chosen] == [
        ["mrmesos", "mrmesos-sum", "mrmesos-vectorised", "mawk"]
    ]
    with pytest.raises(
        ValueError, match="no workload 'sorts'; there are wordcount, wordcount-real"
    ):
        plan("tiny", ["sorts"], [])
    with pytest.raises(ValueError, match="no system 'sparc'"):
        plan("tiny", [], ["sparc"])


def test_every_system_of_a_workload_exists_and_can_do_it() -> None:
    known = {system.name: system for system in systems()}
    for workload in workloads(SIZES["tiny"]):
        for name in workload.systems:
            assert name == "mrmesos" or workload.operation in known[name].jobs


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
