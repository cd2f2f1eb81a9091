"""`mrmesos submit --dry-run` prints what the job's description says, and nothing runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mrmesos.cli import main
from mrmesos.client.dry_run import JobPlan, PlannedSplit, plan_lines
from mrmesos.client.local_cluster import LocalCluster

SCRIPT = """
import beside
from mrmesos.api import AsTask, Chain, Input, Job, JsonLinesInput, Mapper, Reducer, Step, TextInput

class Count(Job):
    reducer, num_reducers = Reducer, 3
    conf = {"map.memory.mb": 256, "mine": "x", "io.sort.factor": 64}
    inputs = {"a": Input(TextInput(), Mapper), "b": Input(JsonLinesInput(), Mapper)}

class Copy(Job):
    mapper = Mapper

class Both(Chain):
    steps = {"first": Copy, "last": Step(Copy, inputs="first")}
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(LocalCluster, "__init__", None)  # no cluster must be started
    (tmp_path / "job.py").write_text(SCRIPT)
    (tmp_path / "beside.py").write_text("")
    (tmp_path / "stop.txt").write_text("the\n")
    for number in range(3):
        (tmp_path / f"a{number}.txt").write_text("x" * 99 + "\n")
    (tmp_path / "b.jsonl").write_text("{}\n")
    return tmp_path


def plan(*arguments: str) -> Result:
    words = ("submit", *arguments, "--output", "out", "--dry-run")
    return CliRunner().invoke(main, words, prog_name="mrmesos")


def as_json(*arguments: str) -> list[JobPlan]:
    import msgspec

    result = plan(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return msgspec.json.decode(result.stdout, type=list[JobPlan])


def test_all_of_a_job(place: Path) -> None:
    inputs = ("--input", "a=a*.txt", "--input", "b=b.jsonl", "--files", "stop.txt")
    [found] = as_json("job.py:Count", *inputs, "-D", "split.maxsize=100", "-D", "job.maps=1")
    assert (found.name, found.reduces) == ("Count", 3)
    assert [(i.name, i.format, i.files, i.bytes) for i in found.inputs] == [
        ("a", "TextInput()", 3, 300),
        ("b", "JsonLinesInput()", 1, 3),
    ]
    assert found.splits is not None
    assert [split.bytes for split in found.splits] == [100, 100, 100, 3]
    assert found.splits[3].files[0].endswith("/b.jsonl")
    assert {s.name: (s.value, s.origin) for s in found.settings} == {
        "job.maps": ("1", "-D"),
        "job.reduces": ("3", "the job's class"),
        "map.memory.mb": ("256", "the job's class"),
        "mine": ("x", "the job's class"),
        "split.maxsize": ("100", "-D"),
    }  # not io.sort.factor, which has its default
    sent = {(each.kind, each.name) for each in found.sent}
    assert {("code", "job.py"), ("file", "stop.txt")} < sent
    assert any(kind == "python" for kind, _ in sent)  # beside.py
    assert not (place / "out").exists()


def test_a_step_that_reads_a_step_has_no_splits_yet(place: Path) -> None:
    apart = ("--input", "a0.txt", "-D", "chain.fuse=false")
    first, last = as_json("job.py:Both", *apart)
    assert (first.name, last.name) == ("Both/first", "Both/last")
    assert first.splits is not None
    assert last.splits is None
    assert "known when the earlier steps have ended" in plan("job.py", *apart).stdout


def test_steps_that_run_as_one_are_shown_as_one(place: Path) -> None:
    (only,) = as_json("job.py:Both", "--input", "a0.txt")
    assert only.name == "Both/last"
    assert only.splits is not None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--input", "nowhere"), "nowhere"),
        (("--input", "-"), "reads no pipe"),
        (("--input", "a0.txt", "--files", "no.txt"), "no such file"),
        (("--input", "a0.txt", "-D", "map.cpus=many"), "map.cpus"),
    ],
)
def test_what_submit_refuses_is_refused(
    place: Path, arguments: tuple[str, ...], words: str
) -> None:
    result = plan("job.py:Copy", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr


def test_an_output_that_exists_is_refused(place: Path) -> None:
    (place / "out").mkdir()
    (place / "out" / "_SUCCESS").write_text("")
    assert "exists" in plan("job.py:Copy", "--input", "a0.txt").stderr


def test_hosts_are_shown_and_many_splits_are_not() -> None:
    splits = tuple(PlannedSplit(5 << 20, ("h1", "h2"), ("/f", "/g")) for _ in range(25))
    lines = list(
        plan_lines(
            JobPlan(
                name="n",
                runs_on="here",
                inputs=(),
                splits=splits,
                reduces=0,
                output="o",
                output_format="f",
                settings=(),
                sent=(),
            )
        )
    )
    assert "  splits    0: 5.0 MiB  /f and 1 more  on h1, h2" in lines
    assert lines[-1].strip() == "… and 5 more (--json has all)"


def test_json_goes_with_nothing_else_on_stdout(place: Path) -> None:
    result = plan("job.py:Copy", "--input", "a0.txt", "--json", "--preview", "1")
    assert "each print on stdout" in result.stderr
    assert json.loads(plan("job.py:Copy", "--input", "a0.txt", "--json").stdout)


def test_a_hook_reads_no_files_and_the_key_of_the_steps_is_not_shown(place: Path) -> None:
    (place / "job.py").write_text(f"{SCRIPT}    before = AsTask(print)\n")
    chosen = ("job.py", "--input", "a0.txt", "-D", "chain.fuse=false")
    before, first, _ = as_json(*chosen)
    assert [each.format for each in before.inputs] == ["no files"]
    assert before.splits is None
    assert first.output_format == "for later steps"
    shown = plan(*chosen).stdout
    assert "input     no files\n  maps      1\n" in shown
    assert "key=" not in shown
