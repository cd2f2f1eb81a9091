"""A relocatable environment: distributions in one directory, and a script that starts from it.

Nothing in it holds a path, unlike a virtual environment, which is tied to the place of its Python:
the directory goes on PYTHONPATH of whatever Python of the same ABI an agent has. mrmesos and what
it needs are copied as they are installed here, so that TaskTrackers run the very versions that the
JobTracker does, and nothing is fetched; requirements of jobs come from pip, held to these versions.
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
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from py_compile import PycInvalidationMode

import mrmesos
from mrmesos.client.terminal.errors import Failure, UsageProblem
from mrmesos.jobtracker.mesos.task_info import LAUNCHER
from mrmesos.wire.job import running_python

PIP_SECONDS = 1800.0
_COMPRESSION = 4
_MADE = 315_532_800  # 1980: GNU tar warns of 0 as implausible, for every file
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
# Starts a TaskTracker from this directory, wherever it lies, with a Python of the agent.
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
echo "no Python {version} ($wanted) on $(hostname), which this package of mrmesos is for;" \\
    "found:${{seen:- none}}. MRMESOS_PYTHON may name one." >&2
exit 69
"""


@dataclass(frozen=True, slots=True)
class Packed:
    """What was packed."""

    distributions: int
    unpacked_bytes: int


def soabi() -> str:
    """What compiled modules are made for: `cpython-312-x86_64-linux-gnu`."""
    return str(sysconfig.get_config_var("SOABI"))


def pack_environment(output: Path, requirements: Sequence[Path] = ()) -> Packed:
    """Write the archive; the same bytes for the same contents. Raises UsageProblem, Failure."""
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
        # By hash, and unchecked: nothing looks at the times of files, which the archive has not.
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
    """The script that starts a TaskTracker with a Python of this ABI, or says what it lacks."""
    text = _SCRIPT.format(soabi=shlex.quote(wanted), version=running_python(), site=_SITE)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def distributions_of(name: str) -> list[Distribution]:
    """An installed distribution and all installed ones that it needs, with all of its extras.

    Raises UsageProblem where it is not installed.
    """
    try:
        root = distribution(name)
    except PackageNotFoundError:
        raise UsageProblem(
            f"{name} is not installed for {sys.executable}, and what is not cannot be packed"
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
            # What its marker rules out here is mostly not installed, and does no harm if it is.
            with contextlib.suppress(PackageNotFoundError):
                waiting.append((distribution(needed), of_it))
    return [found[key] for key in sorted(found)]


def _requirements(one: Distribution, extras: set[str]) -> Iterator[tuple[str, set[str]]]:
    """Names of what a distribution needs with these extras, and the extras that it needs of it."""
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
    """Copy what is installed of it, as far as it is to be imported. Raises UsageProblem."""
    name = one.metadata["Name"]
    editable = _is_editable(one)
    if one.files is None or (editable and name != "mrmesos"):
        raise UsageProblem(f"{name} is installed in a way that cannot be copied; install it anew")
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
    """The package that runs now, also where it is installed as editable."""
    package = Path(mrmesos.__file__).resolve().parent
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(package, site / "mrmesos", ignore=ignore, dirs_exist_ok=True)


def _install(
    requirements: Sequence[Path], held: Sequence[Distribution], scratch: Path, site: Path
) -> None:
    """Have pip (or uv) install into a directory of its own, and add that. Raises Failure."""
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
    shutil.rmtree(more / "bin", ignore_errors=True)  # scripts with the path of this Python
    shutil.copytree(more, site, dirs_exist_ok=True)


def _installer() -> list[str]:
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile"]
    if (uv := shutil.which("uv")) is not None:
        return [uv, "pip", "install", "--quiet", "--python", sys.executable]
    raise UsageProblem("-r needs pip in this environment, or uv")


def write_archive(directory: Path, output: Path) -> int:
    """The directory as an archive that does not tell when, where and by whom it was made.

    Returns the bytes of its files. Raises OSError.
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
