"""hdfs:// as the engine uses it: names, errors, big and small reads, renames, HA, commits."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mrmesos.api.formats import ParquetOutput, TextInput
from mrmesos.conf import Conf
from mrmesos.io.fs.filesystem import InputError, open_filesystem, open_input, uri_of
from mrmesos.io.input.splits import expand_inputs, plan_splits
from mrmesos.io.output.commit import OutputCommitter
from mrmesos.io.output.writer import open_writer
from tests.hdfs.cluster import write
from tests.hdfs.hadoop import BLOCK_SIZE, HOSTS, Hdfs, free_port
from tests.io.output.test_commit import WANTED, WINNERS, run_attempts

DATA = os.urandom(1 << 16) * 52  # 3.25 MiB, so four blocks


@pytest.fixture
def top(hdfs: Hdfs, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URI of a new directory."""
    uri = f"{hdfs.uri}/{request.node.name.replace('[', '-').replace(']', '')}"
    fs, path = open_filesystem(uri)
    fs.makedirs(path)
    yield uri
    fs.rm(path, recursive=True)


def tree(uri: str) -> dict[str, bytes]:
    fs, path = open_filesystem(uri)
    return {
        name.removeprefix(f"{path}/"): open_input(uri_of(fs, name)).read() for name in fs.find(path)
    }


@pytest.mark.parametrize("name", ["a b", "what?#x", "100%41", "ünï", "a;b=c&d", "[x]"])
def test_any_name_is_taken_as_it_is(top: str, name: str) -> None:
    write(f"{top}/{name}/{name}", b"text\n")
    assert tree(top) == {f"{name}/{name}": b"text\n"}
    (found,) = expand_inputs([f"{top}/{name}/{name}"])
    assert (found.uri, found.size) == (f"{top}/{name}/{name}", 5)
    (split,) = plan_splits([f"{top}/{name}"], TextInput(), Conf({"job.maps": "1"}))
    assert split.hosts
    assert set(split.hosts) <= set(HOSTS)


def test_patterns(top: str) -> None:
    for name in ("a1", "a2", "b1", "a10"):
        write(f"{top}/{name}", b"x")
    found = [file.uri.removeprefix(f"{top}/") for file in expand_inputs([f"{top}/a?"])]
    assert found == ["a1", "a2"]


def test_reading_anywhere(top: str) -> None:
    write(f"{top}/data", DATA)
    with open_input(f"{top}/data") as file:
        assert file.read() == DATA
        for offset, count in ((0, 10), (BLOCK_SIZE - 3, 6), (len(DATA) - 5, 100), (1 << 30, 1)):
            assert file.seek(offset) == offset
            assert file.read(count) == DATA[offset : offset + count]


def test_many_threads_may_read_at_once(top: str) -> None:
    for number in range(8):
        write(f"{top}/{number}", DATA[number:])
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: open_input(f"{top}/{n}").read(), range(8)))
    assert found == [DATA[number:] for number in range(8)]


def test_what_is_wrong_is_told_in_one_line(top: str) -> None:
    fs, path = open_filesystem(top)
    write(f"{top}/file", b"x")
    for uri in (f"{top}/gone", top):
        with pytest.raises(InputError) as caught:
            open_input(uri)
        assert str(caught.value) == f"{uri}: cannot be read: No such file or directory" or (
            "not a file" in str(caught.value)
        )
        assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError):
        fs.open(f"{path}/no/such/directory", "wb")
    with pytest.raises(FileNotFoundError):
        fs.mkdir(f"{path}/no/such/directory", create_parents=False)
    write(f"{top}/other", b"y")
    with pytest.raises(FileExistsError):
        fs.mv(f"{path}/file", f"{path}/other")
    with pytest.raises(OSError, match=r"must both be directories \(IOException\)"):
        fs.mv(f"{path}/file", path)
    with pytest.raises(FileNotFoundError):
        fs.rm(f"{path}/gone")
    with pytest.raises(OSError, match="non empty"):
        fs.rm(path)


def test_commits_and_aborts(top: str) -> None:
    out = OutputCommitter(f"{top}/out")
    out.check_absent()
    run_attempts(out)
    out.commit_job(WINNERS)
    wanted = {name: data for name, data in WANTED.items() if data is not None}
    assert tree(f"{top}/out") == wanted
    again = OutputCommitter(f"{top}/out", overwrite=True)
    again.check_absent()
    run_attempts(again)
    again.abort_job()
    assert tree(f"{top}/out") == wanted
    run_attempts(again)
    again.commit_job(WINNERS)
    assert tree(f"{top}/out") == wanted
    aborted = OutputCommitter(f"{top}/aborted")
    run_attempts(aborted)
    aborted.abort_job()
    assert set(tree(top)) == {f"out/{name}" for name in wanted}


def test_tables_and_compressed_text(top: str) -> None:
    fs, path = open_filesystem(f"{top}/t.parquet")
    table = pa.record_batch({"key": [f"k{n}" for n in range(1000)], "value": range(1000)})
    writer = open_writer(ParquetOutput(), fs, path)
    writer.write(table)
    assert writer.close()[0] == 1000
    assert pq.read_table(open_input(f"{top}/t.parquet")).to_pydict() == table.to_pydict()
    write(f"{top}/text.gz", gzip.compress(DATA))
    with pa.CompressedInputStream(pa.PythonFile(open_input(f"{top}/text.gz")), "gzip") as file:
        assert file.read() == DATA


def test_a_datanode_that_dies_while_files_are_read_and_written(top: str, hdfs: Hdfs) -> None:
    write(f"{top}/read", DATA)
    fs, path = open_filesystem(f"{top}/written")
    with open_input(f"{top}/read") as reader:
        writer = fs.open(path, "wb")
        data = reader.read(BLOCK_SIZE // 2)
        writer.write(data)
        hdfs.kill_datanode(2)
        try:
            while part := reader.read(BLOCK_SIZE // 2):
                writer.write(part)
                data += part
            writer.close()
            assert data == DATA
            with open_input(f"{top}/written") as again:
                assert again.read() == DATA
        finally:
            hdfs.start_datanode(2)
            hdfs.wait_ready()


READ = (
    "import sys; from mrmesos.io.fs.filesystem import *; print(len(open_input(sys.argv[1]).read()))"
)


def read_with(conf_dir: Path, uri: str) -> subprocess.CompletedProcess[str]:
    """It runs in a process of its own, because drivers remember their configuration."""
    environment = {**os.environ, "HADOOP_CONF_DIR": str(conf_dir)}
    return subprocess.run(
        [sys.executable, "-c", READ, uri],
        env=environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )


def configure(directory: Path, **values: Any) -> Path:
    text = "".join(
        f"<property><name>{name}</name><value>{value}</value></property>"
        for name, value in values.items()
    )
    (directory / "hdfs-site.xml").write_text(f"<configuration>{text}</configuration>")
    return directory


def test_name_services(top: str, hdfs: Hdfs, tmp_path: Path) -> None:
    """The first of the NameNodes is down; the name has capitals."""
    write(f"{top}/file", DATA)
    services = {
        "dfs.nameservices": "MyCluster",
        "dfs.ha.namenodes.MyCluster": "one,two",
        "dfs.namenode.rpc-address.MyCluster.one": f"127.0.0.1:{free_port()}",
        "dfs.namenode.rpc-address.MyCluster.two": f"127.0.0.1:{hdfs.rpc_port}",
        "dfs.namenode.http-address.MyCluster.one": f"127.0.0.1:{free_port()}",
        "dfs.namenode.http-address.MyCluster.two": hdfs.http_address,
    }
    uri = f"hdfs://MyCluster{top.removeprefix(hdfs.uri)}/file"
    done = read_with(configure(tmp_path, **services), uri)
    assert done.stdout.strip() == str(len(DATA)), done.stderr


def test_a_name_node_that_is_down_is_told_before_long(hdfs: Hdfs, tmp_path: Path) -> None:
    uri = f"hdfs://127.0.0.1:{free_port()}/x"
    done = read_with(configure(tmp_path), uri)
    assert f"{uri}: cannot be read: " in done.stderr.splitlines()[-1]
    assert "refused" in done.stderr.splitlines()[-1]
    done = read_with(tmp_path, "hdfs://nosuchservice/x")
    assert "No NameNode hosts found" in done.stderr.splitlines()[-1]


def test_webhdfs(top: str, hdfs: Hdfs) -> None:
    """Reading needs DataNodes' names to lead somewhere, as WebHDFS sends clients to them."""
    write(f"{top}/listed", DATA)
    web = f"webhdfs://{hdfs.http_address}{top.removeprefix(hdfs.uri)}"
    (found,) = expand_inputs([web])
    assert (found.uri, found.size) == (f"{web}/listed", len(DATA))
    (*_, split) = plan_splits([web], TextInput(), Conf({"job.maps": "4"}))
    assert set(split.hosts) <= set(HOSTS)
    assert split.hosts
