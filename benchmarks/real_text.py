"""Text that people wrote: the source and documentation of Linux, and of Python's library.

Words are separated by spaces, tabs and newlines, and by nothing else. So programs that take other
white space for a separator, or do not, count the same words. Files with anything else are left out.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

LIBRARY_BYTES = 4_600_000
"""So much of the library is repeated. It has about 90,000 different words."""
FETCH_SECONDS = 600.0
_PLAIN = bytes(range(0x20, 0x7F)) + b"\t\n"
_PREFERRED = "linux-source-6.1"
_NUMBERED = re.compile(r"linux-source-([0-9.]+)$")


class NotAvailable(Exception):
    """The text is not available here. The message says why."""


def is_plain(data: bytes) -> bool:
    """Whether it is UTF-8 without control characters and without unusual white space."""
    rest = data.translate(None, _PLAIN)
    if not rest:
        return True
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return min(rest) >= 0x80 and not any(
        character.isspace() for character in set(text) if not character.isascii()
    )


def joined(files: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The plain files, each with a newline at its end, in whole lines of at most `size` bytes."""
    left = size
    for data in files:
        if not data or not is_plain(data):
            continue
        whole = data if data.endswith(b"\n") else data + b"\n"
        if len(whole) > left:
            yield whole[: whole.rfind(b"\n", 0, left) + 1]
            return
        yield whole
        left -= len(whole)


def repeated(part: bytes, size: int) -> Iterator[bytes]:
    """The part again and again, `size` bytes at most, whole lines."""
    return joined((part for _ in range(size // len(part) + 1)), size)


def library_files() -> Iterator[bytes]:
    """The modules at the top of Python's library, by name."""
    for file in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        yield file.read_bytes()


def write_library(path: Path, size: int) -> None:
    """Write `size` bytes of Python source of few different words."""
    part = b"".join(joined(library_files(), LIBRARY_BYTES))
    with path.open("wb") as file:
        file.writelines(repeated(part, size))


def write_linux(path: Path, size: int) -> str:
    """Write `size` bytes of Linux' source. Returns the package and its version.

    Raises NotAvailable.
    """
    with tempfile.TemporaryDirectory(dir=path.parent) as name:
        scratch = Path(name)
        package = _fetch_package(scratch)
        unpacked = scratch / "package"
        _run(["dpkg-deb", "-x", str(package), str(unpacked)], scratch)
        archives = sorted(unpacked.glob("usr/src/**/linux-source-*.tar.*"))
        if not archives:
            raise NotAvailable(f"{package.name} has no archive of sources")
        with tarfile.open(archives[0], "r|*") as archive, path.open("wb") as file:
            file.writelines(joined(_members(archive), size))
    if path.stat().st_size < size - (1 << 20):
        raise NotAvailable(f"{package.name} has less than {size:,} bytes of text")
    kind, version, _ = package.name.split("_")
    return f"{kind} {version}"


def _members(archive: tarfile.TarFile) -> Iterator[bytes]:
    for member in archive:
        opened: IO[bytes] | None = archive.extractfile(member) if member.isfile() else None
        if opened is not None:
            yield opened.read()


def _fetch_package(scratch: Path) -> Path:
    for tool in ("apt-cache", "apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise NotAvailable(f"{tool} is not installed: the text is from a package of Debian's")
    listed = _run(["apt-cache", "search", "--names-only", "^linux-source-[0-9.]+$"], scratch)
    name = choose(line.split()[0] for line in listed.splitlines() if line)
    if not name:
        raise NotAvailable("apt has no package linux-source-VERSION: `apt-get update` first")
    _run(["apt-get", "download", "--quiet", name], scratch)
    fetched = sorted(scratch.glob(f"{name}_*.deb"))
    if not fetched:
        raise NotAvailable(f"apt-get did not fetch {name}")
    return fetched[0]


def choose(names: Iterable[str]) -> str:
    """That of Linux 6.1, or else of the newest version. Empty if there is none."""
    versions: dict[str, tuple[int, ...]] = {}
    for name in names:
        if match := _NUMBERED.match(name):
            versions[name] = tuple(int(part) for part in match[1].split("."))
    if _PREFERRED in versions:
        return _PREFERRED
    return max(versions, key=lambda name: versions[name], default="")


def _run(command: list[str], directory: Path) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
            timeout=FETCH_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise NotAvailable(f"{command[0]} took more than {FETCH_SECONDS:g} s") from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise NotAvailable(f"`{' '.join(command[:3])}` failed: {last:.200}")
    return done.stdout
