"""Unmodified mrjob over a real HDFS: all of its examples and test jobs that need no Java."""

from __future__ import annotations

from pathlib import Path

import pytest

from mrmesos.hadoop.home import hadoop_home
from tests.hadoop.mrjob_jobs import EXAMPLES, TEST_JOBS, MrJob, check, ids, run, write_inputs
from tests.hdfs.cluster import ROOT, write
from tests.hdfs.hadoop import Hdfs
from tests.hdfs.packages import NoPackage, installed, source_of

RELEASE = "mrjob==0.7.4"


@pytest.fixture(scope="session")
def packages() -> tuple[Path, Path]:
    """mrjob as it is installed, and its source, which has its tests."""
    try:
        return installed("mrjob-site", RELEASE, "warcio"), source_of("mrjob-source", RELEASE)
    except NoPackage as reason:
        pytest.skip(str(reason))


@pytest.fixture
def environment(hdfs: Hdfs, packages: tuple[Path, Path], tmp_path: Path) -> dict[str, str]:
    site, source = packages
    write_inputs(tmp_path, site / "mrjob/examples")
    return {
        "HADOOP_HOME": str(hadoop_home(tmp_path / "home")),
        "HADOOP_CONF_DIR": str(hdfs.conf_dir),
        "PYTHONPATH": f"{ROOT}:{site}:{source}",
    }


@pytest.mark.parametrize("job", EXAMPLES, ids=ids(EXAMPLES))
def test_an_example(
    job: MrJob, packages: tuple[Path, Path], environment: dict[str, str], tmp_path: Path
) -> None:
    check(job, packages[0] / f"mrjob/examples/{job.script}.py", tmp_path, environment)


@pytest.mark.parametrize("job", TEST_JOBS, ids=ids(TEST_JOBS))
def test_a_job_of_its_tests(
    job: MrJob, packages: tuple[Path, Path], environment: dict[str, str], tmp_path: Path
) -> None:
    check(job, packages[1] / f"tests/{job.script}.py", tmp_path, environment)


def test_from_hdfs_to_hdfs(
    hdfs: Hdfs, packages: tuple[Path, Path], environment: dict[str, str], tmp_path: Path
) -> None:
    write(f"{hdfs.uri}/mrjob/in/text", b"b a\nb\n")
    more = ("--output-dir", "hdfs:///mrjob/out", "--cat-output")
    job = MrJob("mr_word_freq_count", more, ("hdfs:///mrjob/in",))
    script = packages[0] / "mrjob/examples/mr_word_freq_count.py"
    done = run(job, script, "hadoop", tmp_path, environment)
    assert sorted(done.stdout.split()) == [b'"a"', b'"b"', b"1", b"2"], done.stderr.decode()
