"""Block locations over HTTP: both calls, standby and dead NameNodes, Hadoop's configuration."""

from __future__ import annotations

import json
import logging
import threading
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mrmesos.conf import Conf
from mrmesos.io.fs import block_locations
from mrmesos.io.fs.block_locations import (
    BlockLocation,
    LocationError,
    WebHdfs,
    locate,
    name_node_addresses,
)

PUBLIC = {
    "BlockLocations": {
        "BlockLocation": [
            {
                "offset": 100,
                "length": 50,
                "hosts": ["dn1.example", "dn2.example"],
                "names": ["10.0.0.1:9866", "[2001:db8::2]:9866"],
                "corrupt": False,
            },
            {
                "offset": 0,
                "length": 100,
                "hosts": ["dn0.example", "localhost"],
                "names": ["127.0.0.1:9866", "127.0.0.1:9867"],
            },
            {"offset": 150, "length": 0, "hosts": [], "names": []},
        ]
    }
}
INTERNAL = {
    "LocatedBlocks": {
        "locatedBlocks": [
            {
                "startOffset": 0,
                "block": {"numBytes": 100},
                "isCorrupt": False,
                "locations": [{"hostName": "dn0.example", "ipAddr": "10.0.0.7"}],
            },
            {
                "startOffset": 100,
                "block": {"numBytes": 50},
                "isCorrupt": True,
                "locations": [{"hostName": "dn0.example", "ipAddr": "10.0.0.7"}],
            },
        ]
    }
}


class NameNode(ThreadingHTTPServer):
    """Sends the answers that a test sets; `asked` records the operations and paths."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, tuple[int, Any]] = {"GETFILEBLOCKLOCATIONS": (200, PUBLIC)}
        self.asked: list[tuple[str, str]] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: NameNode

    def do_GET(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        operation = urllib.parse.parse_qs(url.query)["op"][0]
        self.server.asked.append((operation, urllib.parse.unquote(url.path)))
        status, answer = self.server.answers.get(operation, (400, not_valid(operation)))
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


def remote(kind: str, message: str) -> dict[str, Any]:
    return {"RemoteException": {"exception": kind, "message": message}}


def not_valid(operation: str) -> dict[str, Any]:
    return remote(
        "IllegalArgumentException",
        f'Invalid value for webhdfs parameter "op": {operation} is not a valid GET operation.',
    )


@pytest.fixture
def node() -> Iterator[NameNode]:
    with NameNode() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_hadoop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HADOOP_CONF_DIR", raising=False)
    monkeypatch.delenv("HADOOP_HOME", raising=False)


def conf(node: NameNode) -> Conf:
    return Conf({"dfs.namenode.http-address": node.address})


def test_names_and_addresses_but_none_that_every_machine_has(node: NameNode) -> None:
    uri = "hdfs://nn:8020/logs/a b?#%41"
    assert locate([(uri, 150)], conf(node)) == {
        uri: [
            BlockLocation(0, 100, ("dn0.example",)),
            BlockLocation(100, 50, ("dn1.example", "10.0.0.1", "dn2.example", "2001:db8::2")),
        ]
    }
    assert node.asked == [("GETFILEBLOCKLOCATIONS", "/webhdfs/v1/logs/a b?#%41")]


def test_older_name_nodes_are_asked_their_way_from_the_second_file_on_at_once(
    node: NameNode,
) -> None:
    node.answers = {"GET_BLOCK_LOCATIONS": (200, INTERNAL)}
    old = WebHdfs([f"http://{node.address}"])
    for _ in range(2):
        assert old.blocks("/x", 150) == [
            BlockLocation(0, 100, ("dn0.example", "10.0.0.7")),
            BlockLocation(100, 50, ()),
        ]
    operations = [operation for operation, _ in node.asked]
    assert operations == ["GETFILEBLOCKLOCATIONS", "GET_BLOCK_LOCATIONS", "GET_BLOCK_LOCATIONS"]


def test_the_active_name_node_is_found_and_remembered(node: NameNode) -> None:
    with NameNode() as standby:
        threading.Thread(target=standby.serve_forever, args=(0.01,), daemon=True).start()
        standby.answers = {
            "GETFILEBLOCKLOCATIONS": (403, remote("StandbyException", "state standby"))
        }
        nobody = "http://127.0.0.1:1"
        asking = WebHdfs([nobody, f"http://{standby.address}", f"http://{node.address}"])
        for _ in range(3):
            assert len(asking.blocks("/x", 150)) == 2
        assert len(standby.asked) == 1
        standby.shutdown()


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (404, remote("FileNotFoundException", "File does not exist: /x"), "does not exist"),
        (401, b"<html>", "Kerberos"),
        (500, b"<html>", "status 500"),
        (200, b"<html>", "unexpected answer"),
        (200, {"BlockLocations": {"BlockLocation": [{"offset": 0}]}}, "unexpected answer"),
    ],
)
def test_what_is_not_told_is_a_warning_and_no_error(
    node: NameNode, status: int, answer: Any, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    node.answers = {"GETFILEBLOCKLOCATIONS": (status, answer)}
    files = [(f"hdfs://nn/x{number}", 150) for number in range(100)]
    with caplog.at_level(logging.WARNING):
        assert locate(files, conf(node)) == {}
    assert len(caplog.messages) == 1
    assert said in caplog.messages[0]
    assert len(node.asked) <= block_locations.THREADS


def test_nobody_there_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    nobody = Conf({"dfs.namenode.http-address": "127.0.0.1:1"})
    with caplog.at_level(logging.WARNING):
        assert locate([("hdfs://nn/x", 10)], nobody) == {}
    assert "127.0.0.1:1" in caplog.text


def test_other_filesystems_and_empty_files_are_not_asked_about() -> None:
    assert locate([("/local", 10), ("s3://b/x", 10), ("hdfs://nn/empty", 0)], Conf({})) == {}


def site(directory: Path, **values: str) -> None:
    properties = "".join(
        f"<property><name>{name}</name><value>{value}</value></property>"
        for name, value in values.items()
    )
    (directory / "hdfs-site.xml").write_text(f"<configuration>{properties}</configuration>")


HA = {
    "dfs.nameservices": "ns",
    "dfs.ha.namenodes.ns": "one, two",
    "dfs.namenode.http-address.ns.one": "h1:9870",
    "dfs.namenode.http-address.ns.two": "h2:9871",
    "dfs.namenode.https-address.ns.one": "h1:19870",
}


@pytest.mark.parametrize(
    ("authority", "values", "addresses"),
    [
        ("hdfs://nn:8020", {}, ["http://nn:9870"]),
        ("webhdfs://nn:50070", {}, ["http://nn:50070"]),
        ("hdfs://ns", HA, ["http://h1:9870", "http://h2:9871"]),
        ("hdfs://ns", HA | {"dfs.http.policy": "HTTPS_ONLY"}, ["https://h1:19870"]),
        ("hdfs://nn:8020", {"dfs.namenode.http-address": "0.0.0.0:50070"}, ["http://nn:50070"]),
        ("hdfs://", {"fs.defaultFS": "hdfs://nn:8020"}, ["http://nn:9870"]),
        ("hdfs://other:8020", HA, ["http://other:9870"]),
    ],
)
def test_where_name_nodes_listen(
    authority: str,
    values: dict[str, str],
    addresses: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site(tmp_path, **values)
    monkeypatch.setenv("HADOOP_CONF_DIR", str(tmp_path))
    assert name_node_addresses(authority, Conf({})) == addresses


def test_a_broken_configuration_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "core-site.xml").write_text("<configuration>")
    monkeypatch.setenv("HADOOP_CONF_DIR", str(tmp_path))
    with caplog.at_level(logging.WARNING):
        assert locate([("hdfs://nn/x", 10)], Conf({})) == {}
    assert "core-site.xml" in caplog.text
    monkeypatch.delenv("HADOOP_CONF_DIR")
    with pytest.raises(LocationError, match="no NameNode is configured"):
        name_node_addresses("hdfs://", Conf({}))
