"""All of mrjob's own jobs that need no Java give the same sorted bytes natively as by mrjob.

The same table runs by `-r hadoop` in `tests/hdfs/test_mrjob.py`. Three examples run in `make test`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hadoop.mrjob_jobs import (
    EXAMPLES,
    TEST_JOBS,
    MrJob,
    filled,
    ids,
    inputs_of,
    script_of,
    write_inputs,
)
from tests.hdfs.packages import NoPackage, installed, source_of
from tests.mrjob.support import by_mrjob, native

mrjob = pytest.importorskip("mrjob", reason="mrjob is an optional extra: mrmesos[mrjob]")

PLACE = Path(mrjob.__file__ or "").parent / "examples"
QUICK = tuple(
    job for job in EXAMPLES if job.script in ("mr_most_used_word", "mr_wc", "mr_word_freq_count")
)
ELSEWHERE = ("mr_exit_42_job",)
"""Ends the process it runs in: see `test_submit.py`."""
OTHERS = tuple(
    job for job in (*EXAMPLES, *TEST_JOBS) if job not in QUICK and job.script not in ELSEWHERE
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory with all inputs, in which mrjob's users would be."""
    write_inputs(tmp_path, PLACE)
    monkeypatch.chdir(tmp_path)
    path = [*sys.path]
    yield tmp_path
    sys.path[:] = path


def check(job: MrJob, place: Path, tests: Path) -> None:
    script = script_of(job, PLACE, tests, place)
    inputs = [place / each for each in inputs_of(job, place)]
    if job.fails:
        with pytest.raises(Exception):  # noqa: B017 -- whatever it raises
            by_mrjob(script, inputs, *job.args)
        with pytest.raises(Exception, match="BOOM"):
            native(script, inputs, place / "run", *job.args)
        return
    expected = by_mrjob(script, inputs, *job.args, runner=job.runner)
    found = native(script, inputs, place / "run", *job.args, maps=2, reduces=job.reduces)
    output = b"".join(data for _, data in sorted(found.files.items()))
    assert job.compared(filled(output)) == job.compared(list(filter(None, expected)))


@pytest.mark.parametrize("job", QUICK, ids=ids(QUICK))
def test_an_example(job: MrJob, place: Path) -> None:
    check(job, place, place)


@pytest.mark.slow
@pytest.mark.parametrize("job", OTHERS, ids=ids(OTHERS))
def test_a_job(job: MrJob, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        tests = source_of("mrjob-source", "mrjob==0.7.4") / "tests"
        if job.script == "mr_phone_to_url":
            monkeypatch.syspath_prepend(installed("warcio-site", "warcio"))
            importlib.invalidate_caches()
    except NoPackage as reason:
        pytest.skip(str(reason))
    check(job, place, tests)
