"""Builds a relocatable environment: distributions in one directory, and a script to start it.

A virtual environment is tied to the path of its Python. This directory holds no paths: it is put on
the PYTHONPATH of any Python with the same ABI on an agent. mrmesos and its dependencies are copied
as installed here, so TaskTrackers run the same versions as the JobTracker, and nothing is
downloaded. Requirements of jobs come from pip, with these versions as constraints.
"""

from __future__ import annotations

import compileall
import contextlib
import gzip
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from py_compile import PycInvalidationMode

import msgspec

import mrmesos
from mrmesos.client.terminal.errors import Failure, UsageProblem
from mrmesos.jobtracker.mesos.task_info import LAUNCHER
from mrmesos.wire.job import running_python

PIP_SECONDS = 1800.0
_COMPRESSION = 4
_MADE = 315_532_800  # 1980: for time 0, GNU tar prints a warning for every file
_REQUIREMENT = re.compile(
    r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^]]*)\])?[^;]*(?:;(.*))?", re.S
)
_EXTRA = re.compile(r"extra\s*==\s*[\"']([^\"']*)[\"']")
_LEFT_OUT = re.compile(
    r"^(pyarrow|numpy)/(.*/)?(tests|include)/|(^|/)__pycache__/|\.pth$|/direct_url\.json$|^\.\./"
)
_SITE = "site-packages"

_SCRIPT = """\
#!/bin/sh
# Starts a TaskTracker from this directory with a Python of the agent.
here=$(cd "$(dirname "$0")" && pwd)
wanted={soabi}
ask='import sysconfig; print(sysconfig.get_config_var("SOABI"))'
for python in "$MRMESOS_PYTHON" python{version} python3 /usr/local/bin/python{version} \\
        /usr/bin/python{version}; do
    [ -n "$python" ] || continue
    found=$("$python" -I -c "$ask" 2>/dev/null) || continue
    if [ "$found" = "$wanted" ]; then
        PYTHONPATH=$here/{site} PYTHONNOUSERSITE=1
        export PYTHONPATH PYTHONNOUSERSITE
        exec "$python" -P -m mrmesos.tasktracker
    fi
    seen="$seen $python ($found)"
done
echo "this package of mrmesos needs Python {version} ($wanted), and $(hostname) has none;" \\
    "found:${{seen:- none}}. Install it, or set MRMESOS_PYTHON to its path." >&2
exit 69
"""


class Packed(msgspec.Struct, frozen=True):
    """The size of a package."""

    distributions: int
    unpacked_bytes: int


def soabi() -> str:
    """The ABI of compiled modules: `cpython-312-x86_64-linux-gnu`."""
    return str(sysconfig.get_config_var("SOABI"))


def pack_environment(output: Path, requirements: Sequence[Path] = ()) -> Packed:
    """Write the archive. The same contents give the same bytes. Raises UsageProblem, Failure."""
    needed = distributions_of("mrmesos")
    with tempfile.TemporaryDirectory(prefix="mrmesos-pack-") as scratch:
        launcher = Path(scratch, LAUNCHER)
        site = launcher.parent / _SITE
        site.mkdir(parents=True)
        for each in needed:
            _copy(each, site)
        _copy_mrmesos(site)
        if requirements:
            _install(requirements, needed, Path(scratch), site)
        # The compiled files are by hash and unchecked: the archive has no file times that Python
        # could compare.
        compileall.compile_dir(
            site, quiet=2, stripdir=scratch, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH
        )
        write_launcher(launcher, soabi())
        try:
            total = write_archive(launcher.parent, output)
        except OSError as problem:
            raise Failure(f"{output}: {problem.strerror or problem}") from problem
        return Packed(len(list(site.glob("*.dist-info"))), total)


def write_launcher(path: Path, wanted: str) -> None:
    """Write the script that starts a TaskTracker with a Python of this ABI."""
    text = _SCRIPT.format(soabi=shlex.quote(wanted), version=running_python(), site=_SITE)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def distributions_of(name: str) -> list[Distribution]:
    """An installed distribution and all its installed dependencies, with all of its extras.

    Raises UsageProblem if it is not installed.
    """
    try:
        root = distribution(name)
    except PackageNotFoundError:
        raise UsageProblem(
            f"{name} is not installed for {sys.executable}, so it cannot be packed"
        ) from None
    found: dict[str, Distribution] = {}
    extras = set(root.metadata.get_all("Provides-Extra") or ())
    waiting = [(root, extras)]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        one, wanted = waiting.pop()
        key = _normal(one.metadata["Name"])
        if (key, frozenset(wanted)) in seen:
            continue
        seen.add((key, frozenset(wanted)))
        found[key] = one
        for needed, of_it in _requirements(one, wanted):
            # Markers are not evaluated: a package that is not needed here is mostly not installed.
            with contextlib.suppress(PackageNotFoundError):
                waiting.append((distribution(needed), of_it))
    return [found[key] for key in sorted(found)]


def _requirements(one: Distribution, extras: set[str]) -> Iterator[tuple[str, set[str]]]:
    """The dependencies of a distribution with these extras: names, and the extras of each."""
    for text in one.requires or ():
        match = _REQUIREMENT.match(text)
        if match is None:
            continue
        name, of_it, marker = match.groups()
        extra = _EXTRA.search(marker or "")
        if extra is None or extra[1] in extras:
            yield name, {each.strip() for each in (of_it or "").split(",")} - {""}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _copy(one: Distribution, site: Path) -> None:
    """Copy the files of a distribution that can be imported. Raises UsageProblem."""
    name = one.metadata["Name"]
    editable = _is_editable(one)
    if one.files is None or (editable and name != "mrmesos"):
        raise UsageProblem(
            f"{name} is installed in a way that cannot be copied; install it again with pip"
        )
    for file in one.files:
        if _LEFT_OUT.search(str(file)) or (editable and ".dist-info/" not in str(file)):
            continue
        source = Path(str(file.locate()))
        if source.is_file():
            target = site / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def _is_editable(one: Distribution) -> bool:
    text = one.read_text("direct_url.json")
    return bool(text and json.loads(text).get("dir_info", {}).get("editable"))


def _copy_mrmesos(site: Path) -> None:
    """Copy the running mrmesos package, also from an editable installation."""
    package = Path(mrmesos.__file__).resolve().parent
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(package, site / "mrmesos", ignore=ignore, dirs_exist_ok=True)


def _install(
    requirements: Sequence[Path], held: Sequence[Distribution], scratch: Path, site: Path
) -> None:
    """Install with pip (or uv) into a new directory, and add its contents. Raises Failure."""
    constraints = scratch / "constraints.txt"
    lines = [f"{each.metadata['Name']}=={each.version}\n" for each in held]
    constraints.write_text("".join(lines), encoding="utf-8")
    more = scratch / "more"
    command = [*_installer(), "--target", str(more), "--constraint", str(constraints)]
    for file in requirements:
        command += ["--requirement", str(file)]
    try:
        subprocess.run(command, check=True, stdout=sys.stderr, timeout=PIP_SECONDS)
    except (subprocess.SubprocessError, OSError) as problem:
        raise Failure(f"the requirements cannot be installed: {problem}") from problem
    shutil.rmtree(more / "bin", ignore_errors=True)  # scripts that contain the path of this Python
    shutil.copytree(more, site, dirs_exist_ok=True)


def _installer() -> list[str]:
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile"]
    if (uv := shutil.which("uv")) is not None:
        return [uv, "pip", "install", "--quiet", "--python", sys.executable]
    raise UsageProblem("-r needs pip in this environment, or uv")


def write_archive(directory: Path, output: Path) -> int:
    """Pack a directory into an archive without times, paths and user names.

    Returns the total bytes of its files. Raises OSError.
    """
    part = output.with_name(f".{output.name}.{os.getpid()}")
    total = 0

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        nonlocal total
        total += member.size
        member.uid, member.gid, member.mtime = 0, 0, _MADE
        member.uname = member.gname = ""
        member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
        return member

    try:
        with (
            part.open("wb") as raw,
            gzip.GzipFile("", "wb", _COMPRESSION, raw, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w") as tar,
        ):
            tar.add(directory, directory.name, filter=plain)  # in the order of names
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)
    return total
