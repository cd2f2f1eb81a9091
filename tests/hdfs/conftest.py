"""One HDFS for all tests here, and a Mesos whose agents are named like its DataNodes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hdfs.cluster import Cluster
from tests.hdfs.hadoop import Hdfs, NoHadoop, running_hdfs


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("hdfs")


@pytest.fixture(scope="session")
def hdfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hdfs]:
    try:
        with running_hdfs(tmp_path_factory.mktemp("hdfs")) as running:
            before = os.environ.get("HADOOP_CONF_DIR")
            os.environ["HADOOP_CONF_DIR"] = str(running.conf_dir)
            yield running
            os.environ.pop("HADOOP_CONF_DIR")
            if before is not None:
                os.environ["HADOOP_CONF_DIR"] = before
    except NoHadoop as reason:
        pytest.skip(str(reason))


@pytest.fixture
def cluster(hdfs: Hdfs, tmp_path: Path) -> Iterator[Cluster]:
    (tmp_path / "tmp").mkdir()
    running = Cluster(tmp_path, hdfs)
    try:
        running.start()
        yield running
    finally:
        running.stop()
