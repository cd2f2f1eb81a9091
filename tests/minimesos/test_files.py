"""`/files/read` reads files in the sandboxes of its agent, and no others."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mrmesos.minimesos.http.server import AgentSpec
from tests.minimesos.cluster import Cluster

RUN = "frameworks/f/executors/e/runs"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path, AgentSpec("host", "cpus:2;mem:1024", ""))
    yield cluster
    cluster.stop()


def sandbox_of(cluster: Cluster) -> Path:
    agent = cluster.mesos.agents[0]
    runs = agent.work_dir / "slaves" / agent.id / RUN
    sandbox = runs / "1"
    sandbox.mkdir(parents=True)
    (runs / "latest").symlink_to("1")
    (sandbox / "stderr").write_bytes(b"one\ntwo\n\xff")
    return sandbox


def read(cluster: Cluster, **query: object) -> dict[str, Any]:
    where = cluster.mesos.agents[0].address
    text = urllib.parse.urlencode(query)
    with urllib.request.urlopen(f"http://{where}/files/read?{text}", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def test_a_file_by_its_path_and_by_the_agents_own(cluster: Cluster) -> None:
    stderr = sandbox_of(cluster) / "stderr"
    for path in (str(stderr), f"/{RUN}/latest/stderr"):
        assert read(cluster, path=path) == {"data": "", "offset": 9}
        assert read(cluster, path=path, offset=4, length=3) == {"data": "two", "offset": 4}
        assert read(cluster, path=path, offset=0)["data"] == "one\ntwo\n\ufffd"
        assert read(cluster, path=path, offset=90) == {"data": "", "offset": 90}


def test_only_files_of_a_sandbox_are_found(cluster: Cluster) -> None:
    sandbox = sandbox_of(cluster)
    (sandbox / "link").symlink_to("/etc/passwd")
    (sandbox / "loop").symlink_to("loop")
    paths = ("/etc/passwd", f"/{RUN}/latest/link", f"/{RUN}/latest/loop", f"/{RUN}/latest", "a\0b")
    for path in (*paths, f"/{RUN}/../../../../../../etc/passwd", "", "stderr"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            read(cluster, path=path)


@pytest.mark.parametrize("query", [{}, {"path": "x", "offset": "a"}, {"path": "x", "length": -2}])
def test_bad_queries(cluster: Cluster, query: dict[str, object]) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        read(cluster, **query)
