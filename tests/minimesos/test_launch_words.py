"""Mesos' exact messages for executors that did not start."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mrmesos.minimesos.http.server import AgentSpec
from tests.minimesos.cluster import Cluster, Json
from tests.minimesos.tasks import executor, start, task

ID = "[0-9a-f-]{36}"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path, AgentSpec("host", "cpus:2;mem:1024", ""))
    yield cluster
    cluster.stop()


def with_command(**more: object) -> Json:
    """An executor whose command has these additional fields."""
    plain = executor()
    return {**plain, "command": {**plain["command"], **more}}


def test_a_uri_that_cannot_be_fetched(cluster: Cluster, tmp_path: Path) -> None:
    scheduler, offer = start(cluster)
    bad = with_command(uris=[{"value": "/no/such/file"}])
    scheduler.accept([offer], [task("t", offer, bad)])
    status = scheduler.update("t", "TASK_FAILED")
    words = f"Failed to launch container: Failed to fetch all URIs for container '{ID}': "
    assert re.fullmatch(words + "exited with status 1", status["message"])
    assert status["reason"] == "REASON_CONTAINER_LAUNCH_FAILED"
    (log,) = tmp_path.rglob("runs/*-*/stderr")
    assert "Failed to fetch '/no/such/file'" in log.read_text(), (
        "the cause in mesos-fetcher's words"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's agents run tasks as other users")
def test_a_user_that_the_agent_does_not_have(cluster: Cluster) -> None:
    scheduler, offer = start(cluster)
    scheduler.accept([offer], [task("t", offer, with_command(user="nobody-of-that-name"))])
    status = scheduler.update("t", "TASK_LOST")  # TASK_DROPPED with PARTITION_AWARE
    words = f"Failed to create executor directory '/.*/runs/{ID}': "
    words += "Failed to chown directory to 'nobody-of-that-name': No such user "
    assert re.fullmatch(words + "'nobody-of-that-name'", status["message"])
    assert status["reason"] == "REASON_EXECUTOR_TERMINATED"


def test_a_sandbox_that_cannot_be_made(cluster: Cluster, tmp_path: Path) -> None:
    scheduler, offer = start(cluster)
    slaves = next(path for path in [tmp_path / "slaves"])
    slaves.write_text("no directory")
    scheduler.accept([offer], [task("t", offer, executor())])
    status = scheduler.update("t", "TASK_LOST")
    assert status["message"].startswith("Failed to create executor directory '")
    slaves.unlink()
