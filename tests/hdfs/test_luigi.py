"""Unmodified luigi over a real HDFS: a JobTask through our `hadoop`, and its client of the CLI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mrmesos.hadoop.home import STREAMING_JAR, hadoop_home
from tests.hdfs.cluster import ROOT, parts, write
from tests.hdfs.hadoop import DEADLINE, Hdfs
from tests.hdfs.packages import NoPackage, installed

# 3.8.1 lacks luigi/contrib/mrrunner.py, which its JobTask imports. This one needs tenacity below 9,
# and we need 9: so it cannot be in the group dev, and has a directory of its own.
RELEASE = "luigi==3.6.0"
WORD_COUNT = """
import luigi
import luigi.contrib.hadoop
import luigi.contrib.hdfs

class Text(luigi.ExternalTask):
    def output(self):
        return luigi.contrib.hdfs.HdfsTarget("/luigi/in")

class WordCount(luigi.contrib.hadoop.JobTask):
    n_reduce_tasks = 2

    def requires(self):
        return Text()

    def output(self):
        return luigi.contrib.hdfs.HdfsTarget("/luigi/out")

    def mapper(self, line):
        for word in line.split():
            yield word, 1

    def combiner(self, word, counts):
        yield word, sum(counts)

    def reducer(self, word, counts):
        self.incr_counter("words", "all", 1)
        yield word, sum(counts)
"""

CLIENT = """
from luigi.contrib.hdfs.hadoopcli_clients import HdfsClient
client = HdfsClient()
assert not client.exists("/client")
client.mkdir("/client/deep")
open("local", "w").write("text\\n")
client.put("local", "/client/deep/a")
client.touchz("/client/deep/empty")
client.copy("/client/deep/a", "/client/b")
client.rename("/client/b", "/client/c")
client.chmod("/client/c", "644")
assert client.count("/client")["file_count"] == "3", client.count("/client")
assert sorted(client.listdir("/client")) == ["/client/c", "/client/deep"]
found = list(client.listdir("/client", recursive=True, ignore_directories=True))
assert sorted(found) == ["/client/c", "/client/deep/a", "/client/deep/empty"], found
client.get("/client/c", "back")
client.getmerge("/client/deep", "merged")
assert open("back").read() == open("merged").read() == "text\\n"
client.remove("/client")
assert not client.exists("/client/c")
"""


@pytest.fixture
def environment(hdfs: Hdfs, tmp_path: Path) -> dict[str, str]:
    try:
        site = installed("luigi-site", RELEASE)
    except NoPackage as reason:
        pytest.skip(str(reason))
    home = hadoop_home(tmp_path / "home")
    (tmp_path / "luigi.cfg").write_text(
        f"[hadoop]\ncommand = {home}/bin/hadoop\nstreaming-jar = {home}/{STREAMING_JAR}\n"
        f"python-executable = {sys.executable}\n[hdfs]\nclient = hadoopcli\n"
        "[retcode]\ntask_failed = 30\nmissing_data = 20\nnot_run = 25\nunhandled_exception = 40\n"
    )
    return {
        **os.environ,
        "HADOOP_HOME": str(home),
        "HADOOP_CONF_DIR": str(hdfs.conf_dir),
        "PYTHONPATH": f"{ROOT}:{site}:{tmp_path}",
    }


def test_a_word_count(hdfs: Hdfs, environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "words.py").write_text(WORD_COUNT)
    write(f"{hdfs.uri}/luigi/in", "b a é\nb\n".encode())
    words = ("-m", "luigi", "--module", "words", "WordCount", "--local-scheduler")
    done = _python(words, environment, tmp_path)
    assert done.returncode == 0, done.stderr
    made = parts(f"{hdfs.uri}/luigi/out")
    assert sorted(b"".join(made).decode().splitlines()) == ["a\t1", "b\t2", "é\t1"]
    assert len(made) == 2


def test_its_client(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "client.py").write_text(CLIENT)
    done = _python(("client.py",), environment, tmp_path)
    assert done.returncode == 0, done.stderr


def _python(
    words: tuple[str, ...], environment: dict[str, str], directory: Path
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
