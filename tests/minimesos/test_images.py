"""Containers with images are refused, as by a Mesos agent that supports no images."""

from __future__ import annotations

from pathlib import Path

import pytest

from mrmesos.minimesos.http.server import AgentSpec
from tests.minimesos.cluster import Cluster, Json
from tests.minimesos.tasks import executor, start, task


@pytest.mark.parametrize(
    ("container", "words"),
    [
        (
            {"type": "MESOS", "mesos": {"image": {"type": "DOCKER", "docker": {"name": "x"}}}},
            "Failed to launch container: Unsupported container image type: DOCKER",
        ),
        ({"type": "DOCKER", "docker": {"image": "x"}}, "None of the enabled containerizers"),
    ],
)
def test_an_image_is_refused(tmp_path: Path, container: Json, words: str) -> None:
    cluster = Cluster(tmp_path, AgentSpec("host", "cpus:2;mem:1024", ""))
    try:
        scheduler, offer = start(cluster)
        scheduler.accept([offer], [task("t", offer, {**executor(), "container": container})])
        status = scheduler.update("t", "TASK_FAILED")
        assert words in status["message"]
        assert status["reason"] == "REASON_CONTAINER_LAUNCH_FAILED"
    finally:
        cluster.stop()
