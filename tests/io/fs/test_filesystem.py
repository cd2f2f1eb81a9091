"""URIs: paths and file:// are local, fsspec opens all other schemes, and errors name the URI."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from mrmesos.io.compression.first_bytes import codec_of
from mrmesos.io.fs.filesystem import (
    InputError,
    OutputError,
    open_filesystem,
    open_input,
    reason,
    uri_of,
)
from mrmesos.io.fs.local import LocalFiles


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("/a/b", "/a/b"),
        ("/a/../b/", "/b"),
        ("file:///a/b%20c", "/a/b%20c"),
        ("file://localhost/a", "/a"),
        ("/odd::name://x#y?z", "/odd::name:/x#y?z"),
        ("~", None),
        ("in.txt", None),
    ],
)
def test_local_paths_are_absolute_and_literal(
    uri: str, path: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fs, found = open_filesystem(uri)
    assert isinstance(fs, LocalFiles)
    assert found == (path or str(tmp_path / uri))
    assert uri_of(fs, found) == found


def test_schemes_are_fsspecs() -> None:
    fs, path = open_filesystem("memory://a/b")
    assert isinstance(fs, MemoryFileSystem)
    assert open_filesystem(uri_of(fs, path)) == (fs, path)


@pytest.mark.parametrize("error", [InputError, OutputError])
@pytest.mark.parametrize("uri", ["nope://host/x", "", "file://relative", "a\0b"])
def test_errors_name_the_uri_in_one_line(
    uri: str, error: type[InputError] | type[OutputError]
) -> None:
    with pytest.raises(error) as caught:
        open_filesystem(uri, error=error)
    assert (uri or "''").replace("\0", "\\x00") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("scheme", "driver", "extra"),
    [
        ("s3", "s3fs", "s3"),
        ("s3a", "s3fs", "s3"),
        ("gs", "gcsfs", "gs"),
        ("hdfs", "hdfs_native", "hdfs"),
        ("webhdfs", "requests", "webhdfs"),
    ],
)
def test_missing_drivers_say_what_to_install(scheme: str, driver: str, extra: str) -> None:
    code = (  # in its own process, because fsspec caches its imports
        f"import sys; sys.modules[{driver!r}] = None\n"
        "from mrmesos.io.fs.filesystem import InputError, open_filesystem\n"
        f"try: open_filesystem('{scheme}://bucket/x')\n"
        "except InputError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert f"pip install 'mrmesos[{extra}]'" in done.stdout, done.stderr
    assert len(done.stdout.splitlines()) == 1


def test_hdfs_without_a_name_node_says_how_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("hdfs_native")
    for name in ("HADOOP_CONF_DIR", "HADOOP_HOME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError) as caught:
        open_filesystem("hdfs://nowhere/x")
    assert "[Errno" not in str(caught.value)
    assert "write hdfs://host:port/path, or set HADOOP_CONF_DIR" in str(caught.value)


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    for uri in (str(tmp_path / "gone"), "memory://gone/file", str(tmp_path)):
        with pytest.raises(InputError, match=f"{uri}: cannot be read: (No such|Is a dir)"):
            open_input(uri)


def test_codecs_come_from_names() -> None:
    names = ["a.gz", "s3://b/x.BZ2", "dir.gz/x.zst", "dir.gz/x", "plain"]
    assert [codec_of(name) for name in names] == ["gzip", "bz2", "zstd", None, None]


def test_reasons_are_one_short_line() -> None:
    assert reason(OSError(errno.ENOSPC, "No space left", "/a")) == "No space left"
    assert reason(ValueError("a\nb")) == "ValueError: a b"


@pytest.mark.parametrize("uri", ["file:/a/b", "file:///a/b", "file://localhost/a/b", "/a/b"])
def test_a_local_file_by_any_of_its_names(uri: str) -> None:
    assert open_filesystem(uri)[1] == "/a/b"
