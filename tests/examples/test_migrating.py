"""examples/migrating: the same answer from all four places."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from examples.migrating.from_java import MaxTemperature
from examples.migrating.from_rdd import Highest
from mrmesos.api.testing import run_job
from tests.streaming.support import job_class, lines

HERE = Path(__file__).parents[2] / "examples/migrating"
READINGS = ["1950\t0.0", "1950\t22.5", "1949\t11.1", "1950\t-1.1", "1949\t7.8"]
WANTED = {"1949": 11.1, "1950": 22.5}


def test_hadoop_streaming() -> None:
    names = ("streaming_mapper.py", "streaming_reducer.py")
    files = {name: HERE / name for name in names}
    job = job_class("-mapper", names[0], "-reducer", names[1])
    found = lines(run_job(job, READINGS, files=files).records)
    assert {year.decode(): float(degrees) for year, degrees in found} == WANTED


def test_mrjob(tmp_path: Path) -> None:
    pytest.importorskip("mrjob", reason="mrjob is not installed: pip install mrjob")
    source = tmp_path / "readings.txt"
    source.write_text("".join(f"{line}\n" for line in READINGS))
    command = [
        sys.executable,
        str(HERE / "mr_highest.py"),
        "-r",
        "inline",
        "--no-conf",
        str(source),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    pairs = [line.split("\t") for line in done.stdout.splitlines()]
    assert {year: float(degrees) for year, degrees in pairs} == WANTED


def test_hadoop_in_java() -> None:
    result = run_job(MaxTemperature, [*READINGS, "1950\tmissing"])
    assert dict(result.records) == WANTED
    assert result.counters["Temperature"] == {"MISSING": 1}


def test_rdds() -> None:
    assert dict(run_job(Highest, [*READINGS, "1950\tmissing"]).records) == WANTED
