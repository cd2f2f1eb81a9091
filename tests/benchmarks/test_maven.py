from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks import hadoop_peer
from benchmarks.maven import NoJars, copy_jars


def put_tool(directory: Path, name: str, script: str) -> None:
    tool = directory / name
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)


def test_jars_are_copied_or_the_reason_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    put_tool(tmp_path, "mvn", f'echo "$@" >{tmp_path}/asked')
    copy_jars(Path("pom.xml"), "3.4.1", tmp_path / "jars")
    asked = (tmp_path / "asked").read_text()
    assert "--file pom.xml -Dhadoop.version=3.4.1" in asked
    assert f"-DoutputDirectory={tmp_path}/jars" in asked
    put_tool(tmp_path, "mvn", "echo no network; exit 1")
    with pytest.raises(NoJars, match="Maven cannot fetch Hadoop: no network"):
        copy_jars(Path("pom.xml"), "3.4.1", tmp_path / "jars")


def test_jobs_are_compiled_with_jars_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    put_tool(tmp_path, "mvn", "for last; do :; done; mkdir ${last#-DoutputDirectory=}")
    put_tool(tmp_path, "javac", f'echo "$@" >{tmp_path}/asked')
    place = tmp_path / "place"
    hadoop_peer.make(place)
    put_tool(tmp_path, "mvn", "exit 1")  # the jars are not fetched twice
    hadoop_peer.make(place)
    assert f"-cp {place}/jars/* -d {place}/classes" in (tmp_path / "asked").read_text()
    put_tool(tmp_path, "javac", "echo 'missing symbol' >&2; exit 1")
    with pytest.raises(NoJars, match=r"javac cannot compile .*: missing symbol"):
        hadoop_peer.make(place)


def test_a_missing_tool_is_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    hadoop_peer.prepare.cache_clear()
    assert hadoop_peer.prepare() == "java is not installed"
    hadoop_peer.prepare.cache_clear()
