"""URIs: plain paths and file:// are local, the rest is fsspec's, and errors name the URI."""

import errno
from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from mrmesos.io.filesystem import (
    InputError,
    OutputError,
    codec_of,
    is_transient,
    open_filesystem,
    open_input,
    reason,
    uri_of,
)


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
    assert isinstance(fs, LocalFileSystem)
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


def test_missing_drivers_say_what_to_install() -> None:
    with pytest.raises(InputError, match=r"s3://bucket/x: .*s3fs"):
        open_filesystem("s3://bucket/x")


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    for uri in (str(tmp_path / "gone"), "memory://gone/file", str(tmp_path)):
        with pytest.raises(InputError, match=f"{uri}: cannot be read: (No such|Is a dir)"):
            open_input(uri)


def test_codecs_come_from_names() -> None:
    names = ["a.gz", "s3://b/x.BZ2", "dir.gz/x.zst", "dir.gz/x", "plain"]
    assert [codec_of(name) for name in names] == ["gzip", "bz2", "zstd", None, None]


def test_what_may_pass_and_what_stays() -> None:
    assert is_transient(ConnectionResetError(errno.ECONNRESET, "reset"))
    assert is_transient(TimeoutError())
    assert is_transient(OSError("503 Slow Down"))
    assert not is_transient(FileNotFoundError("/x"))
    assert not is_transient(PermissionError())
    assert not is_transient(OSError(errno.ENOSPC, "No space left on device"))
    assert not is_transient(ValueError())
    assert reason(OSError(errno.ENOSPC, "No space left", "/a")) == "No space left"
    assert reason(ValueError("a\nb")) == "ValueError: a b"
