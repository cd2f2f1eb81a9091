"""Where URIs lead: fsspec filesystems by scheme, the local one for plain paths and `file://`.

A local file is named by its absolute path everywhere (it needs no quoting, whatever characters it
holds); every other by `scheme://...` as the user wrote it.
"""

from __future__ import annotations

import functools
import os
import re
from typing import Any
from urllib.parse import urlsplit

import fsspec
from fsspec.implementations.local import LocalFileSystem

from mrmesos.io.fs.read_ahead import open_remote

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://")
SUFFIXES = {"gzip": ".gz", "bz2": ".bz2", "zstd": ".zst", "lz4": ".lz4", "xz": ".xz"}
"""What a file's name ends in, by the compression of all of it."""
_CODECS = {suffix: codec for codec, suffix in SUFFIXES.items()}

_EXTRAS = {
    "hdfs": "hdfs",
    "viewfs": "hdfs",
    "webhdfs": "webhdfs",
    "s3": "s3",
    "s3a": "s3",
    "gs": "gs",
    "gcs": "gs",
}
"""The extra of mrmesos that brings the driver of a scheme."""
_UNLISTED = frozenset({"s3", "s3a", "gs", "gcs"})


class InputError(Exception):
    """An input cannot be read as asked: one line that names the URI and what to do."""


class OutputError(Exception):
    """An output cannot be written as asked: one line that names the URI and what to do."""


def open_filesystem(
    uri: str, *, error: type[InputError] | type[OutputError] = InputError
) -> tuple[Any, str]:
    """The fsspec filesystem of `uri` and the path in it; a local path comes back absolute.

    Raises `error` where the scheme is unknown or its driver is not installed or refuses.
    """
    scheme = _SCHEME.match(uri)
    if scheme is None or scheme[1] == "file":
        return _local(), _local_path(uri, error)
    name = scheme[1].lower()
    try:
        if name in ("hdfs", "viewfs"):
            from mrmesos.io.fs.hdfs import open_hdfs

            return open_hdfs(uri)
        # Listings that object stores' drivers keep are not what is there, with several processes.
        options = {"use_listings_cache": False} if name in _UNLISTED else {}
        fs, path = fsspec.core.url_to_fs(uri, **options)
    except ImportError as exc:
        raise error(f"{uri}: {_what_to_install(name, exc)}") from exc
    except Exception as exc:  # drivers raise what they like while they connect
        hint = "" if name in fsspec.available_protocols() else " (schemes come from fsspec)"
        why = reason(exc) if isinstance(exc, OSError) else _one_line(exc)
        raise error(f"{uri}: cannot open this filesystem: {why}{hint}") from exc
    return fs, path


def _what_to_install(scheme: str, exc: ImportError) -> str:
    extra = _EXTRAS.get(scheme)
    if extra is None:
        return _one_line(exc)
    return (
        f"the driver of {scheme}:// is not installed ({_one_line(exc)}); here and on all agents: "
        f"pip install 'mrmesos[{extra}]'"
    )


@functools.cache
def _local() -> LocalFileSystem:
    """fsspec looks for one it has as well, but takes longer than to open a file."""
    return LocalFileSystem()


def _local_path(uri: str, error: type[InputError] | type[OutputError]) -> str:
    path = uri
    if uri.startswith("file://"):
        path = uri.removeprefix("file://").removeprefix("localhost")
        if not path.startswith("/"):
            raise error(f"{uri}: write file:///absolute/path, or a plain path")
    if not path or "\0" in path:
        raise error(f"{uri!r}: not a path; write a file, a directory or scheme://...")
    return os.path.abspath(path)  # noqa: PTH100 (pathlib would keep `..`)


def uri_of(fs: Any, path: str) -> str:
    """The URI that `open_filesystem` takes back to `path` of `fs`."""
    if isinstance(fs, LocalFileSystem):
        return path
    if type(fs).__name__ == "WebHDFS":  # whose own URIs lack the host
        return f"webhdfs://{urlsplit(fs.url).netloc}{path}"
    return str(fs.unstrip_protocol(path))


def codec_of(uri: str) -> str | None:
    """The compression a file's name tells: "gzip", "bz2", "zstd", "lz4", "xz", or None."""
    return _CODECS.get(os.path.splitext(uri)[1].lower())  # noqa: PTH122 (a URI is no Path)


def open_input(uri: str, until: int = -1) -> Any:
    """The file at `uri` for reading bytes, seekable; a remote one in large pieces, one ahead.

    `until` is the offset near which the caller means to stop; nothing far beyond it is fetched
    before it is asked for. Network and server trouble is tried again. Raises InputError naming the
    URI.
    """
    fs, path = open_filesystem(uri)
    try:
        if isinstance(fs, LocalFileSystem):
            return open(path, "rb", buffering=0)  # noqa: PTH123
        return open_remote(fs, path, until)
    except Exception as exc:  # remote drivers raise what they like
        raise InputError(f"{uri}: cannot be read: {reason(exc)}") from exc


def reason(exc: BaseException) -> str:
    """What went wrong in one short line, without Python's `[Errno 2]` and the path again."""
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror
    if isinstance(exc, FileNotFoundError):
        return "No such file or directory"
    if isinstance(exc, OSError | EOFError):
        return _one_line(exc)
    return f"{type(exc).__name__}: {_one_line(exc)}"


def _one_line(exc: BaseException) -> str:
    return " ".join(str(exc).split()) or type(exc).__name__
