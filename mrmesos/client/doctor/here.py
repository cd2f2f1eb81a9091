"""Gathers facts about this machine."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

import mrmesos
from mrmesos.access.tokens import TOKEN_VARIABLE, TokenError, client_token, token_path
from mrmesos.client.doctor.facts import HereFacts, PlaceFacts, TokenFacts, UriFacts, Version
from mrmesos.client.kept_jobs import history_dir
from mrmesos.client.local_cluster import environment_of_children
from mrmesos.client.terminal.errors import reason
from mrmesos.conf import Conf

CHILD_SECONDS = 60.0
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*(.*)")


def gather_here(conf: Conf, uris: Sequence[str]) -> HereFacts:
    """Look at Python, packages, disks, the token, and the filesystems of `uris`."""
    started, problem = _child()
    return HereFacts(
        python=platform.python_version(),
        executable=sys.executable,
        mrmesos=mrmesos.__version__,
        packages=tuple(_packages()),
        places=tuple(_places()),
        uris=tuple(map(look_at, uris)),
        token=_token(conf),
        is_child_started=started,
        child_problem=problem,
    )


def _packages() -> Iterator[Version]:
    """The packages that mrmesos requires, without those of extras and of other Pythons."""
    try:
        required = metadata.requires("mrmesos") or []
    except metadata.PackageNotFoundError:  # it runs from its source tree
        return
    for text in required:
        requirement, _, marker = text.partition(";")
        if marker:
            continue
        match = _REQUIREMENT.match(requirement.strip())
        if match is None:
            continue
        name, bounds = match[1], match[2].strip()
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Version(name, "", requirement.strip(), is_enough=False)
            continue
        yield Version(name, found, requirement.strip(), _is_enough(found, bounds))


def _is_enough(found: str, bounds: str) -> bool:
    """Whether a version reaches the lower bound. The installer checks other bounds."""
    least = re.search(r">=\s*([0-9.]+)", bounds)
    return least is None or _numbers(found) >= _numbers(least[1])


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:4])


def _places() -> Iterator[PlaceFacts]:
    # gettempdir() passes over a TMPDIR that is full or cannot be written.
    for path, what in (
        (Path(os.environ.get("TMPDIR") or tempfile.gettempdir()), "temporary files"),
        (history_dir(), "kept jobs"),
    ):
        yield look_into(path, what)


def look_into(path: Path, what: str) -> PlaceFacts:
    """Whether files can be written there, or in the directory where it would be created. Also the
    free space.
    """
    place = path
    while not place.exists():
        place = place.parent
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".mrmesos-doctor-") as file:
            file.write(b"x")
            file.flush()
        problem = ""
    except OSError as failure:
        # The finding about free space reports a full disk.
        problem = "" if failure.errno == 28 else reason(failure)
    return PlaceFacts(str(path), what, shutil.disk_usage(place).free >> 20, problem)


def look_at(uri: str) -> UriFacts:
    """Whether a URI can be opened; it need not exist."""
    from mrmesos.io.fs.filesystem import InputError, missing_driver, open_filesystem

    if driver := missing_driver(uri):
        return UriFacts(uri, driver=driver)
    try:
        fs, path = open_filesystem(uri)
        fs.exists(path)
    except InputError as problem:
        return UriFacts(uri, str(problem).removeprefix(f"{uri}: "))
    except Exception as problem:  # noqa: BLE001 (drivers raise any type; it is what was asked for)
        return UriFacts(uri, " ".join(str(problem).split())[:300] or type(problem).__name__)
    return UriFacts(uri)


def _token(conf: Conf) -> TokenFacts:
    path = token_path(conf, os.environ)
    where = f"the variable {TOKEN_VARIABLE}" if os.environ.get(TOKEN_VARIABLE) else str(path)
    try:
        return TokenFacts(where, bool(client_token(conf, os.environ)))
    except TokenError as problem:
        return TokenFacts(where, is_there=True, problem=str(problem))


def _child() -> tuple[bool, str]:
    """Start this Python in the way in which a local cluster is started."""
    command = [sys.executable, "-P", "-c", "import mrmesos.minimesos, mrmesos.tasktracker"]
    try:
        done = subprocess.run(
            command,
            env=environment_of_children(),
            capture_output=True,
            text=True,
            timeout=CHILD_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        return False, str(problem)
    lines = done.stderr.strip().splitlines()
    return done.returncode == 0, lines[-1] if lines and done.returncode else ""
