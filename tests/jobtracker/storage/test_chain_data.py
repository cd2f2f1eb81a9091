"""Which steps of an earlier run are taken over, and what is removed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from mrmesos.api.formats import Source, StepInput, StepOutput, TextInput
from mrmesos.io.fs.filesystem import InputError, OutputError
from mrmesos.io.output.commit import OutputCommitter
from mrmesos.jobtracker.core.messages.commands import CleanChain, PrepareChain
from mrmesos.jobtracker.storage.chain_data import clean, prepare
from mrmesos.wire.chain import ChainNotes, ChainSpec, StepSpec
from tests.wire.specs import job_spec


class Place:
    """A chain a -> b -> c over `in.txt`, where `c` writes the output."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.input = directory / "in.txt"
        self.input.write_text("a rose\n")
        self.data = directory / "_out_steps"
        self.output = directory / "out"

    def spec(self, key: str = "key", **more: object) -> ChainSpec:
        def step(name: str, reads: str, writes: str, after: tuple[str, ...]) -> StepSpec:
            job = job_spec(
                inputs=(reads,),
                output=writes,
                input_format=StepInput(key) if after else TextInput(),
                output_format=StepOutput(key),
                conf={"map.memory.mb": "100", "mine": "1"},
            )
            return StepSpec(name=name, job=job, identity="0" * 64, after=after)

        data, out = f"file://{self.data}", f"file://{self.output}"
        steps = (
            step("a", f"file://{self.input}", f"{data}/a", ()),
            step("b", f"{data}/a", f"{data}/b", ("a",)),
            step("c", f"{data}/b", out, ("b",)),
        )
        spec = ChainSpec(name="n", user="u", output=out, data=data, steps=steps)
        return replace(spec, **more)

    def prepare(self, spec: ChainSpec, chain: str = "chain_1", again: bool = False) -> str:
        jobs = tuple(f"job_{chain}_{step.name}" for step in spec.steps)
        return "".join(prepare(PrepareChain(chain, spec, jobs, again)))

    def done(self, *names: str) -> None:
        for name in names:
            place = self.output if name == "c" else self.data / name
            place.mkdir()
            (place / "_SUCCESS").touch()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_finished_steps_are_taken_over(place: Place) -> None:
    assert place.prepare(place.spec()) == ""
    place.done("a", "b")
    assert place.prepare(place.spec(resume=True)) == "ab"
    assert place.prepare(place.spec(resume=True)) == "ab", "and once more"


def test_unfinished_ones_are_removed(place: Place) -> None:
    place.prepare(place.spec())
    place.done("a")
    (place.data / "b" / "_temporary").mkdir(parents=True)
    assert place.prepare(place.spec(resume=True)) == "a"
    assert not (place.data / "b").exists()


def test_what_follows_another_input_runs_again(place: Place) -> None:
    place.prepare(place.spec())
    place.done("a", "b")
    place.input.write_text("a rose is a rose\n")
    assert place.prepare(place.spec(resume=True)) == ""
    assert not (place.data / "a").exists()


def test_what_follows_other_code_runs_again(place: Place) -> None:
    spec = place.spec(resume=True)
    place.prepare(place.spec())
    place.done("a", "b")
    other = replace(spec.steps[1], identity="1" * 64)
    assert place.prepare(replace(spec, steps=(spec.steps[0], other, spec.steps[2]))) == "a"


def test_parameters_count_and_resources_do_not(place: Place) -> None:
    spec = place.spec(resume=True)
    place.prepare(place.spec())
    place.done("a", "b")

    def setting(name: str, value: str) -> ChainSpec:
        steps = []
        for step in spec.steps:
            job = replace(step.job, conf={**step.job.conf, name: value})
            steps.append(replace(step, job=job))
        return replace(spec, steps=tuple(steps))

    assert place.prepare(setting("map.memory.mb", "200")) == "ab"
    assert place.prepare(setting("mine", "2")) == ""


def test_data_of_another_user_are_not_taken_over(place: Place) -> None:
    place.prepare(place.spec())
    place.done("a")
    assert place.prepare(place.spec(key="another", resume=True)) == ""


def test_without_resume_nothing_is_removed_unasked(place: Place) -> None:
    place.prepare(place.spec())
    place.done("a")
    with pytest.raises(OutputError, match=r"--resume to go on .* --overwrite to begin anew"):
        place.prepare(place.spec(), "chain_2")
    assert (place.data / "a").exists()
    assert place.prepare(place.spec(overwrite=True), "chain_2") == ""
    assert not (place.data / "a").exists()


def test_a_restarted_jobtracker_prepares_its_own_chain_again(place: Place) -> None:
    place.prepare(place.spec())
    assert place.prepare(place.spec(), again=True) == ""
    with pytest.raises(OutputError):
        place.prepare(place.spec(), "chain_2", again=True)


def test_an_output_that_exists_is_told_before_anything_changes(place: Place) -> None:
    place.output.mkdir()
    with pytest.raises(OutputError, match="output exists already"):
        place.prepare(place.spec())
    assert not place.data.exists()


def test_what_the_last_step_of_a_dead_jobtracker_left_is_removed(place: Place) -> None:
    place.prepare(place.spec())
    place.done("a", "b")
    OutputCommitter(f"file://{place.output}").setup_job("job_chain_1_c")
    assert place.prepare(place.spec(resume=True), "chain_2") == "ab"
    assert not place.output.exists()


def test_a_missing_input_is_told(place: Place) -> None:
    place.input.unlink()
    with pytest.raises(InputError, match=r"in\.txt"):
        place.prepare(place.spec())


def test_a_finished_chain_leaves_nothing(place: Place) -> None:
    place.prepare(place.spec())
    place.done("a", "b", "c")
    clean(CleanChain("chain_1", place.spec()))
    assert sorted(each.name for each in place.directory.iterdir()) == ["in.txt", "out"]
    clean(CleanChain("chain_1", place.spec()))


def test_marks_of_hooks_are_kept(place: Place) -> None:
    mark = "a" * 64
    place.prepare(place.spec(hooks={"before": mark}))
    text = Path(place.data, "_chain.json").read_bytes()
    assert msgspec.json.decode(text, type=ChainNotes).hooks == {"before": mark}


def test_a_step_that_reads_nothing_depends_on_what_it_samples(place: Place) -> None:
    def spec(*, resume: bool = False) -> ChainSpec:
        whole = place.spec(resume=resume)
        a = whole.steps[0]
        inputs = Source("", a.job.inputs, TextInput())
        job = replace(a.job, inputs=(whole.notes,), sampled=(inputs,))
        return replace(whole, steps=(replace(a, job=job), *whole.steps[1:]))

    place.prepare(spec())
    place.done("a")
    assert place.prepare(spec(resume=True)) == "a"
    place.input.write_text("other text\n")
    assert place.prepare(spec(resume=True)) == ""
