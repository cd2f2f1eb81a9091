"""A folder in the shape of HADOOP_HOME, with commands that run this installation of mrmesos."""

from __future__ import annotations

import io
import os
import shlex
import sys
import zipfile
from pathlib import Path

from mrmesos.hadoop.saying import HADOOP_VERSION

_COMMANDS = ("hadoop", "hdfs", "mapred", "yarn")
_SCRIPT = """#!/bin/sh
# Written by `mrmesos hadoop-home`.
HADOOP_HOME={home} exec {python} -P -m mrmesos.hadoop {command} "$@"
"""
_JAR = f"hadoop-streaming-{HADOOP_VERSION}.jar"
STREAMING_JAR = f"share/hadoop/tools/lib/{_JAR}"
_OLD_PLACE = Path("contrib/streaming")
"""The place of the jar in Hadoop 1. Old scripts look there."""


def hadoop_home(place: Path | None = None) -> Path:
    """The folder. It is written anew each time, so that it fits this installation.

    By default it is in the user's cache directory. Raises OSError.
    """
    home = (place or _default_place()).absolute()
    (home / "bin").mkdir(parents=True, exist_ok=True)
    for command in _COMMANDS:
        text = _SCRIPT.format(
            home=shlex.quote(str(home)), python=shlex.quote(sys.executable), command=command
        )
        _write(home / "bin" / command, text.encode(), 0o755)
    for jar in (home / STREAMING_JAR, home / _OLD_PLACE / _JAR):
        jar.parent.mkdir(parents=True, exist_ok=True)
        _write(jar, _stand_in(), 0o644)
    return home


def _default_place() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(cache) / "mrmesos" / "hadoop"


def _write(path: Path, data: bytes, mode: int) -> None:
    """Replace the file at once: another process may be reading it."""
    if path.exists() and path.read_bytes() == data and path.stat().st_mode & 0o777 == mode:
        return
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_bytes(data)
    part.chmod(mode)
    part.replace(path)


def _stand_in() -> bytes:
    """A jar without classes: tools look only for its name, and so does `hadoop jar`."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as jar:
        entry = zipfile.ZipInfo("META-INF/MANIFEST.MF")
        jar.writestr(entry, "Manifest-Version: 1.0\nImplementation-Title: mrmesos\n")
    return data.getvalue()
