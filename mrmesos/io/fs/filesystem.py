"""Opening URIs: the fsspec filesystem of a scheme, or the local one for paths and `file://`.

mrmesos names a local file by its absolute path everywhere, because a path needs no quoting. It
names every other file by `scheme://...` as the user wrote it.
"""

from __future__ import annotations

import os
import re
from typing import Any
from urllib.parse import urlsplit

from mrmesos.io.fs.local import LocalFiles

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://")
_FILE = re.compile(r"file:(?://(?:localhost)?)?(?=/(?!/))")
"""`file:///path`, `file://localhost/path`, and Hadoop's `file:/path`."""

_EXTRAS = {
    "hdfs": "hdfs",
    "viewfs": "hdfs",
    "webhdfs": "webhdfs",
    "s3": "s3",
    "s3a": "s3",
    "gs": "gs",
    "gcs": "gs",
}
"""The extra of mrmesos that installs the driver of a scheme."""
_UNLISTED = frozenset({"s3", "s3a", "gs", "gcs"})


LOCAL = LocalFiles()


class InputError(Exception):
    """An input cannot be read. The message is one line with the URI and what to do."""


class OutputError(Exception):
    """An output cannot be written. The message is one line with the URI and what to do."""


def open_filesystem(
    uri: str, *, error: type[InputError] | type[OutputError] = InputError
) -> tuple[Any, str]:
    """The filesystem of `uri`, by fsspec or LOCAL, and the path in it; a local path is absolute.

    Raises `error` if the scheme is unknown, or its driver is not installed or fails.
    """
    scheme = _SCHEME.match(uri)
    if scheme is None or scheme[1] == "file":
        return LOCAL, _local_path(uri, error)
    name = scheme[1].lower()
    import fsspec  # takes 30 ms

    try:
        if name in ("hdfs", "viewfs"):
            from mrmesos.io.fs.hdfs import open_hdfs

            return open_hdfs(uri)
        # Drivers of object stores cache listings. Other processes write, so the cache is wrong.
        options = {"use_listings_cache": False} if name in _UNLISTED else {}
        fs, path = fsspec.core.url_to_fs(uri, **options)
    except ImportError as exc:
        raise error(f"{uri}: {_what_to_install(name, exc)}") from exc
    except Exception as exc:  # drivers raise any type while they connect
        hint = "" if name in fsspec.available_protocols() else " (schemes come from fsspec)"
        why = reason(exc) if isinstance(exc, OSError) else _one_line(exc)
        raise error(f"{uri}: cannot open this filesystem: {why}{hint}") from exc
    return fs, path


def missing_driver(uri: str) -> str:
    """The package to install for the scheme of `uri`, such as `mrmesos[s3]`. Empty if it is
    there.
    """
    scheme = _SCHEME.match(uri)
    name = scheme[1].lower() if scheme is not None else "file"
    try:
        if name in ("hdfs", "viewfs"):
            import mrmesos.io.fs.hdfs  # noqa: F401
        elif name != "file":
            import fsspec

            fsspec.get_filesystem_class(name)
    except ImportError as exc:
        return f"mrmesos[{_EXTRAS[name]}]" if name in _EXTRAS else _one_line(exc)
    except ValueError:  # fsspec knows no such scheme; opening it says so
        return ""
    return ""


def _what_to_install(scheme: str, exc: ImportError) -> str:
    extra = _EXTRAS.get(scheme)
    if extra is None:
        return _one_line(exc)
    return (
        f"the driver of {scheme}:// is not installed ({_one_line(exc)}); here and on all agents: "
        f"pip install 'mrmesos[{extra}]'"
    )


def _local_path(uri: str, error: type[InputError] | type[OutputError]) -> str:
    path = _FILE.sub("", uri, count=1) if _FILE.match(uri) else uri
    if path.startswith("file://"):
        raise error(f"{uri}: write file:///absolute/path, or a plain path")
    if not path or "\0" in path:
        raise error(f"{uri!r}: not a path; write a file, a directory or scheme://...")
    return os.path.abspath(path)  # noqa: PTH100 (pathlib would keep `..`)


def uri_of(fs: Any, path: str) -> str:
    """The URI for which `open_filesystem` returns `fs` and `path`."""
    if isinstance(fs, LocalFiles):
        return path
    if type(fs).__name__ == "WebHDFS":  # its own URIs lack the host
        return f"webhdfs://{urlsplit(fs.url).netloc}{path}"
    return str(fs.unstrip_protocol(path))


def serves_threads(fs: Any) -> bool:
    """Whether several threads may call this driver at once: our hdfs://, and drivers on asyncio."""
    if isinstance(fs, LocalFiles):
        return False
    return hasattr(fs, "open_ranges") or bool(getattr(fs, "async_impl", False))


def open_input(uri: str, until: int = -1) -> Any:
    """Open `uri` as a seekable binary file. Remote files are read in large pieces, one ahead.

    `until` is the offset where the caller plans to stop reading; read-ahead stops near it. Network
    and server failures are retried. Raises InputError with the URI.
    """
    fs, path = open_filesystem(uri)
    try:
        if isinstance(fs, LocalFiles):
            return open(path, "rb", buffering=0)  # noqa: PTH123
        from mrmesos.io.fs.read_ahead import open_remote

        return open_remote(fs, path, until)
    except Exception as exc:  # remote drivers raise any type
        raise InputError(f"{uri}: cannot be read: {reason(exc)}") from exc


def reason(exc: BaseException) -> str:
    """The failure in one short line, without Python's `[Errno 2]` and without the path."""
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror
    if isinstance(exc, FileNotFoundError):
        return "No such file or directory"
    if isinstance(exc, OSError | EOFError):
        return _one_line(exc)
    return f"{type(exc).__name__}: {_one_line(exc)}"


def _one_line(exc: BaseException) -> str:
    return " ".join(str(exc).split()) or type(exc).__name__
