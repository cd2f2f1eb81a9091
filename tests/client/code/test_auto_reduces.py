"""`job.reduces=auto` is a number before anything depends on it."""

from __future__ import annotations

from pathlib import Path

import cloudpickle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.client.code import auto_reduces
from mrmesos.client.code.auto_reduces import BYTES_PER_REDUCE, MOST, reduces_for
from mrmesos.client.code.loading import LoadedChain, LoadedJob, load, load_target
from mrmesos.client.code.target import parse_target
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.conf import JOB_REDUCES, Conf, ConfError
from mrmesos.conf.declaring import AUTO_VALUE

SCRIPT = """
from mrmesos.api import *

class M(Mapper):
    def map(self, key, line):
        yield int(line), 1

class Plain(Job):
    mapper, reducer = M, Reducer
    num_reducers = "auto"

class Ordered(Job):
    mapper, reducer, partitioner = M, Reducer, TotalOrder

class Maps(Job):
    mapper = Mapper

class Line(Chain):
    steps = [Plain, Plain, Maps]
    conf = {"job.reduces": "auto"}
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script, and inputs of 1,000 and 500 bytes where a reduce gets 400."""
    (tmp_path / "job.py").write_text(SCRIPT)
    (tmp_path / "a").write_text("123456789\n" * 100)
    (tmp_path / "b").write_text("".join(f"{i:09d}\n" for i in range(50)))
    monkeypatch.setattr(auto_reduces, "BYTES_PER_REDUCE", 400)
    return tmp_path


def loaded(place: Path, name: str, *inputs: str, **conf: str) -> LoadedJob:
    settings = Conf({key.replace("_", "."): value for key, value in conf.items()})
    target = parse_target(f"{place / 'job.py'}:{name}")
    return load(target, settings, (), [str(place / each) for each in inputs])


@given(st.integers(0, 1 << 50), st.integers(0, 1 << 50))
def test_reduces_grow_with_the_input_and_each_has_a_bounded_part(one: int, other: int) -> None:
    small, large = sorted((one, other))
    assert 1 <= reduces_for(small) <= reduces_for(large) <= MOST
    if reduces_for(large) < MOST:
        assert large <= reduces_for(large) * BYTES_PER_REDUCE
    if reduces_for(large) > 1:
        assert large > (reduces_for(large) - 1) * BYTES_PER_REDUCE


def test_all_inputs_of_the_job_count(place: Path) -> None:
    for inputs, reduces in ((("a",), 3), (("b",), 2), (("a", "b"), 4), (("[ab]",), 4)):
        job = loaded(place, "Plain", *inputs)
        assert (job.num_reducers, job.conf.get_as(JOB_REDUCES)) == (reduces, reduces)
    with pytest.raises(UsageProblem, match="does not exist"):
        loaded(place, "Plain", "absent")


def test_a_number_goes_before(place: Path) -> None:
    assert loaded(place, "Plain", "a", job_reduces="7").num_reducers == 7
    assert loaded(place, "Ordered", "a").num_reducers == 1
    assert loaded(place, "Maps", "a").num_reducers == 0


def test_total_order_has_cut_points_for_the_number(place: Path) -> None:
    job = loaded(place, "Ordered", "b", job_reduces="auto")
    assert job.num_reducers == 2
    assert len(cloudpickle.loads(job.code).cut_points) == 1


def test_steps_of_a_chain_count_the_files_of_the_chain(place: Path) -> None:
    target = parse_target(f"{place / 'job.py'}:Line")
    chain = load_target(target, Conf(), (), [str(place / "a")])
    assert isinstance(chain, LoadedChain)
    assert [step.loaded.num_reducers for step in chain.steps] == [3, 3, 0]


def test_what_is_neither_a_number_nor_auto(place: Path) -> None:
    assert JOB_REDUCES.parse(" auto ") == AUTO_VALUE
    for text in ("automatic", "-1", "AUTO"):
        with pytest.raises(ConfError, match=r"job\.reduces="):
            JOB_REDUCES.parse(text)
    with pytest.raises(ConfError, match=r"job\.maps"):
        Conf({"job.maps": "auto"}).check()
    (place / "job.py").write_text(SCRIPT.replace('"auto"', '"some"', 1))
    with pytest.raises(UsageProblem, match="not a number of tasks, nor 'auto'"):
        loaded(place, "Plain", "a")
