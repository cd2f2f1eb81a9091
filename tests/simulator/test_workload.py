from __future__ import annotations

from pathlib import Path

import pytest

from mrmesos.simulator.durations import ideal
from mrmesos.simulator.spec import JobClass, Spec, SpecError, SwimSpec, TimesSpec, change, load
from mrmesos.simulator.workload import workload

MB = 1 << 20

SWIM = f"""\
job0\t5\t5\t{600 * MB}\t0\t100
job1\t9\t4\t0\t{3 * 1024 * MB}\t0
job2\t10\t1\t100\t1\t0
job3\t11\t1\t100\t1\t0
"""


def swim(tmp_path: Path, text: str = SWIM) -> SwimSpec:
    file = tmp_path / "swim.tsv"
    file.write_text(text)
    return SwimSpec(file=str(file))


def test_swim_files_become_jobs(tmp_path: Path) -> None:
    works = workload(Spec(swim=swim(tmp_path)))
    assert [(w.name, w.at, w.maps, w.reduces) for w in works] == [
        ("job0", 5.0, 3, 0),
        ("job1", 9.0, 1, 3),
        ("job2", 10.0, 1, 1),
        ("job3", 11.0, 1, 1),
    ]


def test_a_share_of_a_swim_file_is_its_beginning(tmp_path: Path) -> None:
    spec = change(swim(tmp_path), share=0.5, speed=2.0, reduces_max=2)
    works = workload(Spec(swim=spec))
    assert [(w.name, w.at, w.reduces) for w in works] == [("job0", 2.5, 0), ("job1", 4.5, 2)]


@pytest.mark.parametrize(
    "line", ["job0\t5\t5\t1\t2", "job0\t5\t5\tmuch\t0\t0", "j\t1\t1\t-1\t0\t0"]
)
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(SpecError, match=r"swim\.tsv:5"):
        workload(Spec(swim=swim(tmp_path, SWIM + line + "\n")))


def test_classes_come_regularly_or_at_random() -> None:
    regular = JobClass(name="r", count=3, start=10.0, interval=5.0)
    assert [w.at for w in workload(Spec(jobs=(regular,)))] == [10.0, 15.0, 20.0]
    poisson = change(regular, arrival="poisson", count=2000)
    last = workload(Spec(jobs=(poisson,)))[-1].at
    assert 9_000 < last < 11_000


def test_one_class_does_not_move_another() -> None:
    one = JobClass(name="one", count=5, interval=5.0, arrival="poisson")
    alone = [w.at for w in workload(Spec(jobs=(one,)))]
    both = workload(Spec(jobs=(one, JobClass(name="two", count=9, interval=1, arrival="poisson"))))
    assert [w.at for w in both if w.name.startswith("one")] == alone


def test_settings_reach_the_jobs_and_are_checked() -> None:
    one = JobClass(name="one", conf={"map.cpus": 2, "x": True})
    (work,) = workload(Spec(jobs=(one,), conf={"map.cpus": 1, "map.memory.mb": 512}))
    assert work.conf == {"map.cpus": "2", "map.memory.mb": "512", "x": "true"}
    with pytest.raises(SpecError, match=r"map\.cpus"):
        workload(Spec(jobs=(change(one, conf={"map.cpus": "many"}),)))


def test_ideal_counts_waves() -> None:
    times = TimesSpec(attempt_overhead=1.0, plan=0.5, commit=0.5)
    (work,) = workload(Spec(jobs=(JobClass(name="one", maps=5, map_seconds=9.0),)))
    assert ideal(work, times, 5) == 11.0
    assert ideal(work, times, 4) == 21.0
    reduces = JobClass(name="r", maps=1, map_seconds=9.0, reduces=3, reduce_seconds=4.0)
    (work,) = workload(Spec(jobs=(reduces,)))
    assert ideal(work, times, 2) == 11.0 + 2 * 5.0


def test_a_specification_is_checked(tmp_path: Path) -> None:
    file = tmp_path / "spec.toml"
    for text, words in (
        ("[cluster]\nagents = 0\n", r"cluster\.agents"),
        ("[cluster]\nnodes = 5\n", "nodes"),
        ("seed = 'x'\n", "seed"),
        ("[cluster\n", "spec.toml"),
    ):
        file.write_text(text)
        with pytest.raises(SpecError, match=words):
            load(file)
    with pytest.raises(SpecError, match="nothing to run"):
        workload(Spec())
    with pytest.raises(SpecError, match="No such file"):
        load(tmp_path / "none.toml")


def test_a_swim_file_is_found_beside_its_specification(tmp_path: Path) -> None:
    swim(tmp_path)
    file = tmp_path / "spec.toml"
    file.write_text('[swim]\nfile = "swim.tsv"\n')
    assert len(workload(load(file))) == 4
