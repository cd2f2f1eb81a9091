"""Unmodified mrjob over a real HDFS: all of its examples and test jobs that need no Java."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from mrmesos.hadoop.home import hadoop_home
from tests.hadoop.mrjob_jobs import (
    EXAMPLES,
    TEST_JOBS,
    MrJob,
    check,
    ids,
    run,
    script_of,
    write_inputs,
)
from tests.hdfs.cluster import ROOT, Cluster, write
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


@pytest.fixture(scope="module")
def environment(
    hdfs: Hdfs, packages: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    site, source = packages
    return {
        "HADOOP_HOME": str(hadoop_home(tmp_path_factory.mktemp("home") / "hadoop")),
        "HADOOP_CONF_DIR": str(hdfs.conf_dir),
        "PYTHONPATH": f"{ROOT}:{site}:{source}",
    }


@pytest.fixture(scope="module")
def jobtracker(
    hdfs: Hdfs, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """One JobTracker for all jobs, as most of the time of each would be the start of its own."""
    directory = tmp_path_factory.mktemp("jobtracker")
    (directory / "tmp").mkdir()
    cluster = Cluster(directory, hdfs, python_path=environment["PYTHONPATH"])
    try:
        cluster.start()
        yield cluster.start_jobtracker()
    finally:
        cluster.stop()


Checks = dict[MrJob, "Future[None]"]


@pytest.fixture(scope="module")
def checks(
    request: pytest.FixtureRequest,
    packages: tuple[Path, Path],
    environment: dict[str, str],
    jobtracker: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Checks]:
    """The checks of all jobs whose tests were chosen. Two run at a time, ahead of their tests."""
    site, source = packages

    def run_one(job: MrJob) -> None:
        directory = tmp_path_factory.mktemp("job")
        write_inputs(directory, site / "mrjob/examples")
        script = script_of(job, site / "mrjob/examples", source / "tests", directory)
        check(job, script, directory, environment | jobtracker)

    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    given = [item.callspec.params.get("job") for item in items if hasattr(item, "callspec")]
    chosen = [job for job in given if isinstance(job, MrJob)]
    with ThreadPoolExecutor(2) as pool:
        yield {job: pool.submit(run_one, job) for job in chosen}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("job", EXAMPLES, ids=ids(EXAMPLES))
def test_an_example(job: MrJob, checks: Checks) -> None:
    checks[job].result()


@pytest.mark.parametrize("job", TEST_JOBS, ids=ids(TEST_JOBS))
def test_a_job_of_its_tests(job: MrJob, checks: Checks) -> None:
    checks[job].result()


def test_from_hdfs_to_hdfs(
    hdfs: Hdfs, packages: tuple[Path, Path], environment: dict[str, str], tmp_path: Path
) -> None:
    """Without a JobTracker: on a local cluster, with HADOOP_HOME and nothing else."""
    write(f"{hdfs.uri}/mrjob/in/text", b"b a\nb\n")
    more = ("--output-dir", "hdfs:///mrjob/out", "--cat-output")
    job = MrJob("mr_word_freq_count", more, ("hdfs:///mrjob/in",))
    script = packages[0] / "mrjob/examples/mr_word_freq_count.py"
    done = run(job, script, "hadoop", tmp_path, environment)
    assert sorted(done.stdout.split()) == [b'"a"', b'"b"', b"1", b"2"], done.stderr.decode()
