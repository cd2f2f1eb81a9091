"""The `hadoop` command of `mrmesos hadoop-home`, as mrjob and scripts call it: real processes."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from mrmesos.cli import main
from tests.streaming.support import script

SPLIT = "import sys\nfor line in sys.stdin:\n    for w in line.split(): print(w, 1, sep='\\t')\n"
TOTAL = """import sys
from itertools import groupby
for word, group in groupby(sys.stdin, key=lambda line: line.split('\\t')[0]):
    print(word, sum(int(line.split('\\t')[1]) for line in group), sep='\\t')
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    done = CliRunner().invoke(main, ["hadoop-home", "--dir", str(tmp_path / "hadoop")])
    assert done.exit_code == 0
    assert done.output == f"{tmp_path / 'hadoop'}\n"
    return tmp_path / "hadoop"


def run(home: Path, *words: object, tool: str = "hadoop") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HADOOP_HOME": str(home)}
    environment.pop("HADOOP_CONF_DIR", None)
    return subprocess.run(
        [home / "bin" / tool, *map(str, words)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
        cwd=home.parent,
    )


def test_the_home_can_be_written_again(home: Path) -> None:
    before = (home / "bin/hadoop").stat().st_mtime_ns
    assert CliRunner().invoke(main, ["hadoop-home", "--dir", str(home)]).exit_code == 0
    assert (home / "bin/hadoop").stat().st_mtime_ns == before
    assert list(home.glob("share/hadoop/tools/lib/hadoop-streaming-*.jar"))
    assert list(home.glob("contrib/streaming/hadoop-streaming-*.jar"))
    assert sorted(path.name for path in (home / "bin").iterdir()) == [
        *("hadoop", "hdfs", "mapred", "yarn")
    ]


def test_a_job_as_mrjob_runs_it(home: Path, tmp_path: Path) -> None:
    assert re.match(r"Hadoop \d+\.\d+", run(home, "version").stdout)
    mapper, reducer = script(tmp_path, "m.py", SPLIT), script(tmp_path, "r.py", TOTAL)
    (tmp_path / "in.txt").write_text("b a\nb\n")
    place = "hdfs:///user/ann/tmp/job"
    assert run(home, "fs", "-mkdir", "-p", f"{place}/files").returncode == 0
    for path in (mapper, reducer, tmp_path / "in.txt"):
        assert run(home, "fs", "-put", path, f"{place}/files/{path.name}").returncode == 0
    (jar,) = home.glob("share/hadoop/tools/lib/hadoop-streaming-*.jar")
    done = run(
        home,
        *("jar", jar, "-files", f"{place}/files/m.py#map.py,{place}/files/r.py#reduce.py"),
        *("-D", "mapreduce.job.name=words", "-input", f"{place}/files/in.txt"),
        *("-output", f"{place}/out", "-mapper", "map.py", "-reducer", "reduce.py"),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    (job_id,) = re.findall(r"INFO mapreduce.Job: Running job: (job_\d+_\d+)", done.stderr)
    assert f"Job {job_id} completed successfully" in done.stderr
    assert "map 100% reduce 100%" in done.stderr
    assert "\t\tMap input records=2\n" in done.stderr
    assert run(home, "fs", "-cat", f"{place}/out/part-*").stdout == "a\t1\nb\t2\n"
    listed = run(home, "fs", "-ls", "-R", f"{place}/out", tool="hadoop").stdout
    assert f"{place}/out/_SUCCESS" in listed
    assert run(home, "dfs", "-rm", "-R", "-f", "-skipTrash", place, tool="hdfs").returncode == 0
    assert run(home, "fs", "-test", "-e", place).returncode == 1


def test_a_failing_job(home: Path, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("x\n")
    done = run(
        home,
        *("jar", "/opt/hadoop-streaming.jar", "-D", "mapred.map.max.attempts=1"),
        *("-input", "in.txt", "-output", "out", "-mapper", "false"),
    )
    assert done.returncode == 1
    assert "failed with state FAILED" in done.stderr
    assert "`false` ended with exit code 1" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "say"),
    [
        (("jar", "app.jar", "Main"), 1, "mrmesos runs no Java"),
        (("application", "-list"), 255, "stands in for"),
        (("jar", "streaming.jar", "-input", "x"), 1, "-output PATH"),
        (("jar",), 255, "Usage: hadoop jar"),
        (("balancer",), 255, "stands in for"),
        ((), 255, "Usage: hadoop"),
        (("job", "-list"), 255, "MRMESOS_JOBTRACKER_URL"),
    ],
)
def test_wrong_uses(home: Path, words: tuple[str, ...], code: int, say: str) -> None:
    done = run(home, *words)
    assert done.returncode == code
    assert say in done.stderr
    assert "Traceback" not in done.stderr


def test_settings_of_the_site(home: Path, tmp_path: Path) -> None:
    site = home / "etc/hadoop/core-site.xml"
    site.parent.mkdir(parents=True)
    name = "dfs.replication"
    site.write_text(
        f"<configuration><property><name>{name}</name><value>2</value></property></configuration>"
    )
    asked = run(home, "getconf", "-confKey", name, tool="hdfs")
    assert (asked.returncode, asked.stdout) == (0, "2\n")
    over = run(home, "getconf", "-D", f"{name}=3", "-confKey", name, tool="hdfs")
    assert (over.returncode, over.stdout) == (0, "3\n")
    none = run(home, "getconf", "-confKey", "no.such", tool="hdfs")
    assert (none.returncode, none.stderr) == (255, "Configuration key no.such is missing.\n")
    assert run(home, "getconf", tool="hdfs").returncode == 255
