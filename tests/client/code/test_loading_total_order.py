"""Errors that a submit of a job with TotalOrder finds before it pickles the job."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cloudpickle
import pytest

from mrmesos.client.code.loading import LoadedJob, load
from mrmesos.client.code.target import parse_target
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.conf import Conf

JOB = """
from mrmesos.api import *

class M(Mapper):
    def map(self, key, line):
        yield {key}, 1

class Sorted(Job):
    mapper, reducer, partitioner = M, Reducer, TotalOrder
    num_reducers = {reduces}
"""


def loaded(directory: Path, key: str = "int(line)", reduces: int = 4) -> LoadedJob:
    script = directory / "job.py"
    script.write_text(JOB.format(key=key, reduces=reduces))
    source = directory / "input.txt"
    source.write_text("".join(f"{number}\n" for number in range(1000)))
    return load(parse_target(str(script)), Conf(), (), [str(source)])


def test_cut_points_travel_in_the_pickle(tmp_path: Path) -> None:
    job = cloudpickle.loads(loaded(tmp_path).code)
    assert job.cut_points.to_pylist() == [250, 500, 750]
    again = cloudpickle.loads(loaded(tmp_path).code)
    assert again.cut_points.equals(job.cut_points)
    assert cloudpickle.loads(loaded(tmp_path, reduces=1).code).cut_points is None


def test_an_error_while_sampling_is_shown_before_the_submission(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem) as met:
        loaded(tmp_path, key="1 / (int(line) - 7)")
    text, detail = met.value.message, met.value.detail
    assert text == "job.py: sampling keys for TotalOrder: ZeroDivisionError: division by zero"
    assert "record: '7'" in detail
    assert "input.txt offset 14" in detail
    assert 'job.py", line ' in detail
    with pytest.raises(UsageProblem, match=r"cannot be sorted together.*seen: 1j and"):
        loaded(tmp_path, key="1j if line == '9' else int(line)")
    script = tmp_path / "job.py"
    with pytest.raises(UsageProblem, match="input does not exist"):
        load(parse_target(str(script)), Conf(), (), [str(tmp_path / "absent")])


def test_other_jobs_are_loaded_without_any_of_it(tmp_path: Path) -> None:
    script = tmp_path / "job.py"
    script.write_text(JOB.format(key="line", reduces=4).replace("TotalOrder", "HashPartitioner"))
    code = (
        "import sys\n"
        "from mrmesos.client.code.loading import load\n"
        "from mrmesos.client.code.target import parse_target\n"
        "from mrmesos.conf import Conf\n"
        "load(parse_target(sys.argv[1]), Conf(), (), ['/absent'])\n"
        "assert not any(name.startswith('mrmesos.tasktracker') for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(script)], check=True, timeout=60)
