"""Finds the place of Hadoop's paths: with `fs.defaultFS`, with `hdfs:///`, and relative ones.

A path without a scheme belongs to `fs.defaultFS` of core-site.xml, or to `-fs`. Without either,
that is the local filesystem. `hdfs:///` then names a directory of this user in HADOOP_HOME, because
tools such as mrjob keep their files there under any configuration.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from mrmesos.access.identity import current_user
from mrmesos.io.fs.hadoop_conf import site_configuration


def has_scheme(path: str) -> bool:
    """Whether a path names its store."""
    return "://" in path or path.startswith("file:")


class Places(msgspec.Struct, frozen=True):
    """Finds paths. `default` is `fs.defaultFS`, empty for local files.

    `stand_in` is the directory for `hdfs:///` if no HDFS is configured.
    """

    default: str
    stand_in: str
    user: str

    def uri(self, path: str) -> str:
        """The URI or local path that mrmesos opens."""
        parts = urlsplit(path)
        if has_scheme(path):
            if parts.scheme == "hdfs" and not parts.netloc:
                return self._on_default(parts.path)
            if parts.scheme == "file":
                return parts.path
            return path
        if not self.default:
            return path or "."
        if path.startswith("/"):
            return f"{self.default}{path}"
        return f"{self.default}/user/{self.user}/{path}".rstrip("/")

    def _on_default(self, path: str) -> str:
        if self.default.startswith(("hdfs:", "viewfs:", "webhdfs:")):
            return f"{self.default}{path}"
        return f"{self.stand_in}{path}"


def known_settings(properties: Mapping[str, str]) -> dict[str, str]:
    """The settings of the site, and over them those of `-D`. Raises OSError or ValueError."""
    return {**site_configuration(), **properties}


def places_of(known: Mapping[str, str]) -> Places:
    """The places for a command with these settings."""
    default = known.get("fs.defaultFS") or known.get("fs.default.name") or ""
    if default.startswith("file:"):
        default = ""
    home = os.environ.get("HADOOP_HOME") or str(Path("~").expanduser())
    user = os.environ.get("HADOOP_USER_NAME") or current_user()
    return Places(default.rstrip("/"), f"{home}/hdfs", user)
