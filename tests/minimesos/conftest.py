"""Clusters that end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mrmesos.minimesos.http.server import AgentSpec
from tests.minimesos.cluster import Cluster

MakeCluster = Callable[..., Cluster]
SMALL = AgentSpec("host-0.example", "cpus:4;mem:4096;disk:1000;ports:[31000-31100]", "rack:r1")


@pytest.fixture
def make_cluster(tmp_path: Path) -> Iterator[MakeCluster]:
    made: list[Cluster] = []

    def make(*agents: AgentSpec, **config: Any) -> Cluster:
        settings = {"allocation_interval": 0.05, **config}
        work_dir = tmp_path / f"work{len(made)}"
        made.append(Cluster(work_dir, *(agents or (SMALL,)), **settings))
        return made[-1]

    yield make
    for cluster in made:
        cluster.stop()
