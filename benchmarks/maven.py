"""Jars from Maven Central, by the Maven client."""

from __future__ import annotations

import subprocess
from pathlib import Path

FETCH_SECONDS = 900.0
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


class NoJars(Exception):
    """Maven did not fetch them. The message says why."""


def copy_jars(pom: Path, hadoop: str, target: Path) -> None:
    """Copy what the project file depends on, with this version of Hadoop, into a new directory.

    Raises NoJars.
    """
    command = [
        *("mvn", "--batch-mode", "--quiet", "--file", str(pom), f"-Dhadoop.version={hadoop}"),
        *(_COPY, "-DincludeScope=runtime", f"-DoutputDirectory={target}"),
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=FETCH_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise NoJars(f"Maven did not fetch Hadoop within {FETCH_SECONDS:g} s") from None
    if done.returncode:
        raise NoJars(f"Maven cannot fetch Hadoop: {done.stdout.strip()[-500:]}")
