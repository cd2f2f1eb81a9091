"""Hadoop's jars and our Java jobs for them, made when they are first needed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

from benchmarks.maven import NoJars, copy_jars

VERSION = "3.4.1"
PEERS = Path(__file__).resolve().parent / "peers"
PLACE = PEERS.parent / "data" / f"hadoop-{VERSION}"
COMPILE_SECONDS = 120.0


@lru_cache(maxsize=1)
def prepare() -> str:
    """Why the jobs cannot run. Empty if they can: their classes and the jars are in `PLACE`."""
    for tool in ("java", "javac", "mvn"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    try:
        make(PLACE)
    except NoJars as problem:
        return " ".join(str(problem).split())
    return ""


def make(place: Path) -> None:
    """Fetch the jars if they are missing, and compile the jobs. Raises NoJars."""
    place.mkdir(parents=True, exist_ok=True)
    jars = place / "jars"
    if not jars.exists():
        with tempfile.TemporaryDirectory(dir=place) as name:
            partial = Path(name) / "jars"
            copy_jars(PEERS / "hadoop-pom.xml", VERSION, partial)
            partial.rename(jars)
    source = PEERS / "HadoopJobs.java"
    command = ["javac", "-cp", f"{jars}/*", "-d", str(place / "classes"), str(source)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=COMPILE_SECONDS
    )
    if done.returncode != 0:
        raise NoJars(f"javac cannot compile {source.name}: {done.stderr.strip():.300}")
