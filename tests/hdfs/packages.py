"""Packages that are installed for these tests alone: into the cache, once, by pip."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

from tests.hdfs.hadoop import cache_dir

SECONDS = 300.0


class NoPackage(Exception):
    """pip cannot fetch a package here. The message says why."""


def installed(name: str, *packages: str) -> Path:
    """A directory with these packages and their dependencies. Raises NoPackage."""
    return _made(name, ["install", "--quiet", "--target", "{place}", *packages])


def source_of(name: str, package: str) -> Path:
    """The unpacked source of a package. Raises NoPackage."""
    words = ["download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", "{place}"]
    place = _made(name, [*words, package])
    unpacked = place / "source"
    if not unpacked.exists():
        (archive,) = place.glob("*.tar.gz")
        shutil.unpack_archive(archive, unpacked, filter="data")
    (directory,) = unpacked.iterdir()
    return directory


def _made(name: str, words: list[str]) -> Path:
    cache = cache_dir().parent
    cache.mkdir(parents=True, exist_ok=True)
    place, part = cache / name, cache / f"{name}.partial"
    with (cache / f"{name}.lock").open("w") as lock:  # two test runs at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if place.exists():
            return place
        shutil.rmtree(part, ignore_errors=True)
        command = [sys.executable, "-m", "pip", *(word.format(place=part) for word in words)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            raise NoPackage(f"pip did not fetch {name} within {SECONDS:g} s") from None
        if done.returncode:
            raise NoPackage(f"pip cannot fetch {name}: {done.stderr.strip()[-500:]}")
        part.rename(place)
    return place
