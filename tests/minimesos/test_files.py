"""`/files` of an agent shows what is in its sandboxes, and nothing else."""

from __future__ import annotations

import json
import os
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


def ask(cluster: Cluster, endpoint: str, **query: object) -> bytes:
    where = cluster.mesos.agents[0].address
    text = urllib.parse.urlencode(query)
    with urllib.request.urlopen(f"http://{where}/files/{endpoint}?{text}", timeout=10) as answer:
        found: bytes = answer.read()
    return found


def read(cluster: Cluster, **query: object) -> dict[str, Any]:
    """The answer, with each byte of the file as one character."""
    found: dict[str, Any] = json.loads(ask(cluster, "read", **query).decode("latin-1"))
    return found


def refusal(cluster: Cluster, endpoint: str, **query: object) -> int:
    with pytest.raises(urllib.error.HTTPError) as problem:
        ask(cluster, endpoint, **query)
    return problem.value.code


def test_a_file_by_its_path_and_by_the_agents_own(cluster: Cluster) -> None:
    stderr = sandbox_of(cluster) / "stderr"
    for path in (str(stderr), f"/{RUN}/latest/stderr"):
        assert read(cluster, path=path) == {"data": "", "offset": 9}
        assert read(cluster, path=path, offset=4, length=3) == {"data": "two", "offset": 4}
        assert read(cluster, path=path, offset=0)["data"] == "one\ntwo\n\xff"
        assert read(cluster, path=path, offset=90) == {"data": "", "offset": 9}
        assert ask(cluster, "download", path=path) == b"one\ntwo\n\xff"


def test_what_a_sandbox_holds(cluster: Cluster) -> None:
    sandbox = sandbox_of(cluster)
    (sandbox / "userlogs/job_1").mkdir(parents=True)
    (sandbox / "nowhere").symlink_to("gone")
    listing = json.loads(ask(cluster, "browse", path=f"/{RUN}/latest/"))
    assert [entry["path"] for entry in listing] == [
        f"/{RUN}/latest/stderr",
        f"/{RUN}/latest/userlogs",
    ]
    assert [entry["mode"][0] for entry in listing] == ["-", "d"]
    assert listing[0]["size"] == 9
    assert listing[0].keys() == {"gid", "mode", "mtime", "nlink", "path", "size", "uid"}
    assert json.loads(ask(cluster, "browse", path=f"/{RUN}/latest/stderr")) == []
    assert refusal(cluster, "browse", path=f"/{RUN}/latest/none") == 404


def test_only_what_is_in_a_sandbox_is_shown(cluster: Cluster) -> None:
    sandbox = sandbox_of(cluster)
    (sandbox / "link").symlink_to("/etc/passwd")
    (sandbox / "loop").symlink_to("loop")
    os.mkfifo(sandbox / "pipe")
    (cluster.mesos.agents[0].work_dir / "secrets").mkdir()
    (cluster.mesos.agents[0].work_dir / "secrets/one").write_text("secret")
    outside = "/frameworks/../../../secrets"
    unknown = ("/etc/passwd", f"/{RUN}/latest/loop", f"/{RUN}/latest/pipe", "a\0b", "stderr")
    for endpoint in ("read", "download"):
        assert {refusal(cluster, endpoint, path=path) for path in unknown} == {404}
        inaccessible = (f"/{RUN}/latest/link", f"{outside}/one", f"/{RUN}/latest", "")
        assert {refusal(cluster, endpoint, path=path) for path in inaccessible} == {400}
    assert refusal(cluster, "browse", path="/etc") == 404
    assert refusal(cluster, "browse", path=outside) == 500


@pytest.mark.parametrize("query", [{}, {"path": "x", "offset": "a"}, {"path": "x", "length": -2}])
def test_bad_queries(cluster: Cluster, query: dict[str, object]) -> None:
    assert refusal(cluster, "read", **query) == 400
