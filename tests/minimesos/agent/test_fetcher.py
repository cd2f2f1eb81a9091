from __future__ import annotations

import gzip
import tarfile
import zipfile
from pathlib import Path

import pytest

from mrmesos.minimesos.agent.fetcher import FetchError, fetch, fetch_all, local_path


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    place = tmp_path / "sandbox"
    place.mkdir()
    return place


@pytest.fixture
def source(tmp_path: Path) -> Path:
    place = tmp_path / "a file.txt"
    place.write_text("inside")
    return place


def test_copy_and_mode(sandbox: Path, source: Path) -> None:
    fetch({"value": f"file://{str(source).replace(' ', '%20')}", "executable": True}, sandbox)
    assert (sandbox / source.name).read_text() == "inside"
    assert (sandbox / source.name).stat().st_mode & 0o111


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip", "gz"])
def test_archives_are_unpacked(sandbox: Path, source: Path, tmp_path: Path, kind: str) -> None:
    archive = tmp_path / f"packed.txt.{kind}"
    name = "packed.txt" if kind == "gz" else "deep/inner.txt"
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as made:
            made.write(source, name)
    elif kind == "gz":
        archive.write_bytes(gzip.compress(b"inside"))
    else:
        with tarfile.open(archive, "w:gz" if kind == "tar.gz" else "w") as packed:
            packed.add(source, name)
    fetch_all([{"value": str(archive)}], sandbox)
    assert (sandbox / name).read_text() == "inside"
    fetch({"value": str(archive), "extract": False, "output_file": "kept"}, sandbox)
    assert (sandbox / "kept").read_bytes() == archive.read_bytes()


def test_members_that_leave_the_sandbox_are_refused(sandbox: Path, source: Path) -> None:
    archive = sandbox.parent / "bad.tar"
    with tarfile.open(archive, "w") as packed:
        packed.add(source, "../../escaped")
    with pytest.raises(FetchError):
        fetch({"value": str(archive)}, sandbox)
    with pytest.raises(FetchError, match="leaves the sandbox"):
        fetch({"value": str(source), "output_file": "../out"}, sandbox)
    assert not (sandbox.parent / "out").exists()


@pytest.mark.parametrize(
    "uri", ["http://h/x", "relative/path", "file://elsewhere/x", "hdfs://nn/x", "/no/such/file"]
)
def test_what_cannot_be_fetched(sandbox: Path, uri: str) -> None:
    with pytest.raises(FetchError, match="Failed to fetch"):
        fetch({"value": uri}, sandbox)


def test_local_paths() -> None:
    assert local_path("/a b") == Path("/a b")
    assert local_path("file:///a%20b") == Path("/a b")
    assert local_path("file://localhost/a") == Path("/a")
