"""Chains of scripts: which files each step reads, and mistakes in one line each."""

from __future__ import annotations

from pathlib import Path

import pytest

from mrmesos.api.formats import ArrowInput, Source, StepInput, StepOutput, TextOutput
from mrmesos.client.chain_spec import data_uri, make_chain_spec, read_files
from mrmesos.client.code.loading import LoadedChain, load_target
from mrmesos.client.code.target import parse_target
from mrmesos.client.options import Options
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.conf import Conf, parse_assignments

SCRIPT = """
from mrmesos.api import *

class Count(Job):
    reducer = Count
    num_reducers = 3

class Merge(Job):
    inputs = {"left": Input(TextInput()), "right": Input(ArrowInput())}

    @classmethod
    def add_arguments(cls, parser):
        parser.add_argument("--top", type=int, default=1)

class Ordered(Job):
    reducer, partitioner = Reducer, TotalOrder

class Report(Chain):
    steps = {
        "count": Count,
        "merge": Step(Merge, {"left": "count", "right": "orders"}),
        "side": Step(Count, "count"),
    }

class Line(Chain):
    steps = [Count, Ordered]

def check(context):
    raise KeyError(context.output)

class Hooked(Chain):
    steps = {"count": Count, "ordered": Step(Ordered, "count"), "other": Count}
    conf = {"map.memory.mb": 300}
    before = AsTask(check, conf={"map.memory.mb": 200})
    after = AsTask(check)

class ByClient(Hooked):
    before = after = InClient(check)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "chained.py"
    path.write_text(SCRIPT)
    return path


def load(script: Path, name: str, *inputs: str, **more: str) -> LoadedChain:
    conf = Conf(parse_assignments([f"{k.replace('_', '.')}={v}" for k, v in more.items()]))
    target = parse_target(str(script), name)
    args = ("--top", "5") if name == "Report" else ()
    loaded = load_target(target, conf, args, inputs, output="file:///x/out")
    assert isinstance(loaded, LoadedChain)
    return loaded


def options(script: Path, *, resume: bool = False) -> Options:
    return Options(
        parse_target(str(script), "Report"), (), "file:///x/out", Conf(), "", "", False, 1, None,
        False, (), resume=resume,
    )  # fmt: skip


def test_the_steps_become_jobs(script: Path) -> None:
    loaded = load(script, "Report", "a.txt", "orders=o.arrow", "b.txt")
    spec = make_chain_spec(options(script, resume=True), loaded, (), "the key")
    count, merge, side = spec.steps
    here = Path.cwd()
    assert count.job.inputs == (f"file://{here}/a.txt", f"file://{here}/b.txt")
    assert count.job.output == "file:///x/_out_steps/count"
    assert count.job.output_format == StepOutput("the key")
    assert [(s.name, s.uris, s.format) for s in merge.job.sources] == [
        ("left", ("file:///x/_out_steps/count",), StepInput("the key")),
        ("right", (f"file://{here}/o.arrow",), ArrowInput()),
    ]
    assert merge.after == side.after == ("count",)
    assert merge.job.output == "file:///x/out/merge"
    assert side.job.output == "file:///x/out/side"
    assert side.job.output_format == TextOutput()
    assert side.job.input_format == StepInput("the key")
    assert (count.job.num_reducers, merge.job.num_reducers) == (3, 0)
    assert loaded.steps[1].loaded.job.args.top == 5
    assert spec.resume
    assert spec.name == "Report"


def test_hooks_on_agents_stand_before_and_behind_all_steps(script: Path) -> None:
    loaded = load(script, "Hooked", "a.txt")
    spec = make_chain_spec(options(script), loaded, (), "the key")
    assert {step.name: step.after for step in spec.steps} == {
        "before": (),
        "count": ("before",),
        "ordered": ("count",),
        "other": ("before",),
        "after": ("count", "other", "ordered"),
    }
    first, last = spec.steps[0].job, spec.steps[-1].job
    assert first.inputs == last.inputs == ("file:///x/_out_steps/_chain.json",)
    assert spec.is_intermediate(spec.steps[0])
    assert read_files(loaded) == [f"file://{Path.cwd()}/a.txt"]
    assert [each.conf["map.memory.mb"] for each in (first, last)] == ["200", "300"]
    assert first.conf["map.maxattempts"] == "1"
    assert not spec.keep_data
    with pytest.raises(KeyError, match="file:///x/out"):
        loaded.steps[0].loaded.job.args.hook(loaded.steps[0].loaded.job.args.given)


def test_hooks_in_the_client_are_no_steps(script: Path) -> None:
    loaded = load(script, "ByClient", "a.txt")
    spec = make_chain_spec(options(script), loaded, (), "the key")
    assert [step.name for step in spec.steps] == ["count", "other", "ordered"]
    assert spec.keep_data
    assert spec.hooks == {"before": loaded.hooks["before"].mark}
    again = load(script, "ByClient", "b.txt")
    assert again.hooks["before"].mark != loaded.hooks["before"].mark, "it got other inputs"


def test_a_step_finds_the_cut_points_of_the_next_one(script: Path) -> None:
    loaded = load(script, "Line", "a.txt", job_reduces="3")
    count, sample, ordered = make_chain_spec(options(script), loaded, (), "the key").steps
    assert (sample.name, sample.after) == ("Ordered.sample", ("Count",))
    assert sample.job.inputs == ("file:///x/_out_steps/_chain.json",)
    assert sample.job.num_reducers == 0
    assert [s.uris for s in sample.job.sampled] == [(count.job.output,)]
    assert ordered.after == ("Count", "Ordered.sample")
    assert ordered.job.cut_points == Source("", (sample.job.output,), StepInput("the key"))
    assert ordered.job.code == sample.job.code
    two = load(script, "Line", "a.txt", job_reduces="2")
    identities = [step.identity for step in (*loaded.steps, *two.steps)]
    assert identities[1] != identities[4], "other cut points"
    assert identities[2] == identities[5]
    assert len(load(script, "Line", "a.txt", job_reduces="1").steps) == 2


def test_reduces_are_for_the_steps_that_reduce(script: Path) -> None:
    loaded = load(script, "Report", "a.txt", "orders=o", job_reduces="2")
    assert [step.loaded.num_reducers for step in loaded.steps] == [2, 0, 2]


def test_the_same_code_has_the_same_identity(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(script, "Report", "a.txt", "orders=o")
    monkeypatch.setattr("sys.argv", ["mrmesos", "submit", "--resume"])
    again = load(script, "Report", "a.txt", "orders=o")
    assert [s.identity for s in first.steps] == [s.identity for s in again.steps]
    assert first.steps[0].loaded.code != again.steps[0].loaded.code
    script.write_text(SCRIPT.replace("default=1", "default=2"))
    other = load(script, "Report", "a.txt", "orders=o")
    assert first.steps[0].identity != other.steps[0].identity


@pytest.mark.parametrize(
    ("name", "inputs", "message"),
    [
        (
            "Report",
            ("a.txt",),
            "Report: step merge reads 'orders', which is neither a step (count, merge, side) nor "
            "given by --input orders=URI",
        ),
        ("Report", ("orders=o",), "Report: step count needs --input URI"),
    ],
)
def test_mistakes_are_told(script: Path, name: str, inputs: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        load(script, name, *inputs)
    assert caught.value.message.startswith(message)


def test_a_cycle_is_told(script: Path) -> None:
    script.write_text(SCRIPT.replace('"count": Count', '"count": Step(Count, after="side")'))
    with pytest.raises(UsageProblem, match=r"chained.py: Report: the steps wait for each other: "):
        load(script, "Report", "a.txt", "orders=o")


def test_several_chains_must_be_named(script: Path) -> None:
    with pytest.raises(
        UsageProblem, match="defines several chains: ByClient, Hooked, Line, Report; "
    ):
        load(script, "", "a.txt")


def test_the_data_are_beside_the_output() -> None:
    assert data_uri("s3://bucket/a/out/") == "s3://bucket/a/_out_steps"
    assert data_uri("hdfs://nn:8020/out") == "hdfs://nn:8020/_out_steps"
    assert data_uri("file:///out") == "file:///_out_steps"
    for wrong in ("s3://bucket", "hdfs://nn:8020", "file:///"):
        with pytest.raises(UsageProblem, match="name a directory below another"):
            data_uri(wrong)
