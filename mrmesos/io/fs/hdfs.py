"""`hdfs://` and `viewfs://`: the fsspec filesystems of hdfs-native, with fixes.

hdfs-native itself handles name services, HA and Kerberos. It reads core-site.xml and hdfs-site.xml
through HADOOP_CONF_DIR or HADOOP_HOME. This module fixes, as of hdfs-native 0.14:

- Names: hdfs-native parses `?`, `#` and capitals of a name service as parts of a URL.
- Errors: it raises RuntimeErrors with Java stack traces; here they become OSErrors of one line.
- Files: a seek beyond the end panics, and `except Exception` does not catch a panic. A file opened
  with `block_size` cannot be read.
- Time: it waits minutes for a NameNode that does not answer; here about 15 s unless configured.
"""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import os
import re
from collections.abc import Iterator
from typing import Any

from hdfs_native import Client, FileWriter, WriteOptions
from hdfs_native.fsspec import HdfsFileSystem, ViewfsFileSystem

from mrmesos.io.fs.hadoop_conf import site_configuration
from mrmesos.io.fs.read_ahead import OF_HDFS, Fetch, RemoteFile
from mrmesos.io.fs.retry import is_transient, retrying_for

logger = logging.getLogger(__name__)

HELD_BYTES = 4 << 20
"""Limit of the copy of an open file that allows a rewrite. It must hold the first piece."""
WRITTEN_AT_ONCE = 1 << 20
"""hdfs-native copies what it is given. A copy of this size stays in a processor's cache."""
WRITE_AGAIN_SECONDS = 60.0
"""A NameNode avoids stale DataNodes after 30 s (dfs.namenode.stale.datanode.interval)."""

_URL = re.compile(r"(hdfs|viewfs)://([^/]*)", re.IGNORECASE)
_PATIENCE = {
    "dfs.client.failover.max.attempts": "6",
    "dfs.client.failover.sleep.base.millis": "250",
    "dfs.client.failover.sleep.max.millis": "4000",
}
_NO_NAME_NODE = "No NameNode hosts found"
# The errno for each Java class that hdfs-native names in its messages.
_ERRNO = {
    "AccessControlException": errno.EACCES,
    "AuthorizationException": errno.EACCES,
    "SaslException": errno.EACCES,
    "PathIsNotEmptyDirectoryException": errno.ENOTEMPTY,
    "FileAlreadyExistsException": errno.EEXIST,
    "ParentNotDirectoryException": errno.ENOTDIR,
    "DSQuotaExceededException": errno.EDQUOT,
    "NSQuotaExceededException": errno.EDQUOT,
    "InvalidPathException": errno.EINVAL,
    _NO_NAME_NODE: errno.EINVAL,
    "No valid credentials": errno.EACCES,
}


def open_hdfs(uri: str) -> tuple[Any, str]:
    """The filesystem and the path of `hdfs://authority/path` or `viewfs://…`."""
    match = _URL.match(uri)
    if match is None:
        raise ValueError(f"{uri}: write hdfs://namenode:port/path or hdfs://nameservice/path")
    host, _, port = match[2].partition(":")
    kind = Hdfs if match[1].lower() == "hdfs" else Viewfs
    defaults = {k: v for k, v in _PATIENCE.items() if k not in site_configuration()}
    with _plain_errors(uri):
        return kind(host or None, int(port) if port else None, **defaults), _path_of(uri)


def _path_of(uri: str) -> str:
    """The path in the URI, exactly as written."""
    match = _URL.match(uri)
    return (uri[match.end() :] if match else uri).rstrip("/") or "/"


@contextlib.contextmanager
def _plain_errors(path: str) -> Iterator[None]:
    """Turn the exceptions of hdfs-native into OSErrors of one line."""
    try:
        yield
    except OSError as exc:
        if "\n" not in str(exc) and exc.args:
            raise
        raise type(exc)(_first_line(exc)) from exc
    except RuntimeError as exc:
        text = _first_line(exc)
        number = next((code for name, code in _ERRNO.items() if name in text), errno.EIO)
        raise OSError(number, text, path) from exc


def _first_line(exc: BaseException) -> str:
    """The message without Java's stack trace and without the Rust syntax of RuntimeErrors."""
    text = re.split(r"\n|\\n", str(exc), maxsplit=1)[0].strip()
    if rpc := re.match(r'RPCError\("(?:[\w$]+\.)*([\w$]+)", "(.*)', text):
        text = f"{rpc[2]} ({rpc[1]})"
    if _NO_NAME_NODE in text:
        text = f"{_NO_NAME_NODE}; write hdfs://host:port/path, or set HADOOP_CONF_DIR to the "
        text += "directory of Hadoop's configuration"
    return text or type(exc).__name__


class _Mended:
    """The fixes of both filesystems; a mixin that stands before hdfs-native's class."""

    client: Client

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return _path_of(os.fspath(path))

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        path = self._strip_protocol(path)
        with _plain_errors(path):
            return self._described(self.client.get_file_info(path))

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        path = self._strip_protocol(path)
        with _plain_errors(path):
            found = [self._described(status) for status in self.client.list_status(path, False)]
        return found if detail else [each["name"] for each in found]

    @staticmethod
    def _described(status: Any) -> dict[str, Any]:
        return {
            "name": status.path,
            "size": status.length,
            "type": "directory" if status.isdir else "file",
            "modification_time": status.modification_time,
            "owner": status.owner,
            "group": status.group,
            "permission": status.permission,
            "replication": status.replication,
            "blocksize": status.blocksize,
        }

    def mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        path = self._strip_protocol(path)
        with _plain_errors(path):
            self.client.mkdirs(path, 0o755, create_parents)

    def mv(self, path1: str, path2: str, **_: Any) -> None:
        """Rename in one atomic NameNode call. Raises FileExistsError if `path2` exists."""
        with _plain_errors(path1):
            self.client.rename(self._strip_protocol(path1), self._strip_protocol(path2), False)

    def rm(self, path: str, recursive: bool = False, **_: Any) -> None:
        """Delete. Raises FileNotFoundError if `path` does not exist."""
        path = self._strip_protocol(path)
        with _plain_errors(path):
            if not self.client.delete(path, recursive):
                raise FileNotFoundError(path)

    def _open(self, path: str, mode: str = "rb", **_: Any) -> io.RawIOBase:
        path = self._strip_protocol(path)
        if mode == "rb":
            return RemoteFile(*self.open_ranges(path), requests=OF_HDFS)
        if mode != "wb":
            raise ValueError(f"{path}: mode {mode} is not supported")
        return _Writer(path, self.client)

    def open_ranges(self, path: str) -> tuple[Fetch, int]:
        """A function that reads any range of the file in any thread, and the file's size."""
        path = self._strip_protocol(path)
        with _plain_errors(path):
            first = self.client.read(path)
        readers = [first]

        def fetch(start: int, end: int) -> bytes:
            with _plain_errors(path):
                if not readers:  # the last one failed: its hosts may be gone, ask the NameNode
                    readers.append(self.client.read(path))
                try:
                    return readers[0].read_range(start, end - start)
                except BaseException:
                    readers.clear()
                    raise

        return fetch, len(first)


class Hdfs(_Mended, HdfsFileSystem):  # type: ignore[misc]  # fsspec has no types
    """`hdfs://`."""


class Viewfs(_Mended, ViewfsFileSystem):  # type: ignore[misc]  # fsspec has no types
    """`viewfs://`."""


class _Writer(io.RawIOBase):
    """hdfs-native's writer. Errors become OSErrors, and `close` may be called twice.

    The NameNode may place a block on a DataNode that died a moment ago. hdfs-native cannot ask for
    another DataNode then. So this class also keeps the first 4 MiB. If the file is not longer than
    that yet, it is written again from there. So the place of a file's first block may fail, and
    that of later blocks fails the attempt. A copy of everything would cost as much as the file.
    """

    def __init__(self, path: str, client: Client) -> None:
        super().__init__()
        self._path, self._client = path, client
        self._held: bytearray | None = bytearray()
        self._writer = self._create()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        for start in range(0, len(view), WRITTEN_AT_ONCE):
            # hdfs-native takes bytes at once, and other buffers byte by byte (9 s of CPU a GB).
            self._write(bytes(view[start : start + WRITTEN_AT_ONCE]))
        return len(view)

    def close(self) -> None:
        if self.closed:
            return
        super().close()
        try:
            with _plain_errors(self._path):
                self._writer.close()
        except OSError as exc:
            self._write_again(exc, close=True)
        finally:
            self._held = None

    def _create(self) -> FileWriter:
        with _plain_errors(self._path):
            options = WriteOptions(overwrite=True, create_parent=False)
            return self._client.create(self._path, options)

    def _write(self, piece: bytes) -> None:
        if self._held is not None:
            self._held += piece
            if len(self._held) > HELD_BYTES:
                self._held = None
        try:
            with _plain_errors(self._path):
                self._writer.write(piece)
        except OSError as exc:
            self._write_again(exc, close=False)

    def _write_again(self, problem: OSError, close: bool) -> None:
        if self._held is None or not is_transient(problem):
            raise problem
        logger.warning("%s: writing it again: %s", self._path, problem.strerror or problem)
        held = bytes(self._held)

        def again() -> None:
            self._writer = self._create()
            with _plain_errors(self._path):
                self._writer.write(held)
                if close:
                    self._writer.close()

        retrying_for(WRITE_AGAIN_SECONDS)(again)
