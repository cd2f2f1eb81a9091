"""The history as files on HDFS: a JobTracker writes them, and `mrmesos history` reads them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from mrmesos.io.fs.filesystem import open_filesystem
from tests.hdfs.cluster import Cluster, write
from tests.hdfs.hadoop import DEADLINE

WORDS = Path(__file__).parents[2] / "examples" / "wordcount" / "wordcount.py"


def history(cluster: Cluster, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mrmesos", "history", *words],
        env={**os.environ, "HADOOP_CONF_DIR": str(cluster.hdfs.conf_dir)},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


@pytest.mark.timeout(600)
def test_a_history_on_hdfs_is_written_listed_shown_compared_and_served(cluster: Cluster) -> None:
    write(f"{cluster.hdfs.uri}/history-in/a.txt", b"a rose is a rose\n" * 100)
    place = f"{cluster.hdfs.uri}/kept/history"
    location = ("-D", f"jobtracker.jobhistory.location={place}")
    for number, reduces in enumerate(("1", "2")):
        job = cluster.submit(
            *(WORDS, "/history-in/*.txt", f"/history-out-{number}"),
            *(*location, "-D", f"job.reduces={reduces}", "-D", "job.name=words on hdfs"),
        )
        cluster.finish(job)
    fs, root = open_filesystem(place)
    (day,) = fs.ls(root, detail=False)
    names = [path.rpartition("/")[2] for path in fs.ls(day, detail=False)]
    assert len(names) == 2
    assert all(name.startswith("job_") and name.endswith(".job") for name in names), names

    listed = history(cluster, "list", "--from", place, "--json")
    assert listed.returncode == 0, listed.stderr
    after, before = (line["job_id"] for line in json.loads(listed.stdout))
    assert "words on hdfs" in history(cluster, "list", "--from", place).stdout
    shown = history(cluster, "show", after, "--from", place)
    assert "REDUCE_OUTPUT_RECORDS" in shown.stdout, shown.stderr
    differs = history(cluster, "diff", before, after, "--from", place)
    assert differs.returncode == 1, differs.stderr
    assert "job.reduces" in differs.stdout

    server = cluster.run("history", "serve", "--from", place)
    assert server.stdout is not None
    address = server.stdout.readline().strip()
    with opener().open(address, timeout=DEADLINE) as answer:
        assert "log in" in answer.read().decode().lower()
    assert "words on hdfs" in logged_in(address, f"jobs/{after}")


def opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))


def logged_in(address: str, path: str) -> str:
    """A page, for a browser that uses the address once."""
    parts, browser = urlsplit(address), opener()
    base = f"{parts.scheme}://{parts.netloc}"
    ticket = parse_qs(parts.query)["ticket"][0]
    form = urllib.request.Request(
        f"{base}/ui/login", data=f"ticket={ticket}".encode(), headers={"Origin": base}
    )
    browser.open(form, timeout=DEADLINE).close()
    with browser.open(f"{base}/ui/{path}", timeout=DEADLINE) as answer:
        return str(answer.read().decode())


def test_a_history_that_hdfs_does_not_have_is_said(cluster: Cluster) -> None:
    done = history(cluster, "list", "--from", f"{cluster.hdfs.uri}/no-such-history")
    assert done.returncode == 0, done.stderr
    assert "no ended jobs in hdfs://" in done.stderr
    wrong = history(cluster, "show", "job_1_1", "--from", f"{cluster.hdfs.uri}/no-such-history")
    assert wrong.returncode == 2
    assert "no job job_1_1" in wrong.stderr
