"""Copies the URIs of a CommandInfo into the sandbox, and unpacks archives.

It does what Mesos' fetcher does for plain paths and `file://`. It fetches nothing over a network.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from mrmesos.minimesos.model.resources import Json

_TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")


class FetchError(Exception):
    """A URI that cannot be fetched."""


def local_path(uri: str) -> Path:
    """Return the path of a URI's file. Raises `FetchError`."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost"):
            raise FetchError(f"Failed to fetch '{uri}': not a file of this machine")
        return Path(unquote(parts.path))
    if parts.scheme:
        raise FetchError(f"Failed to fetch '{uri}': only local files are fetched")
    if not uri.startswith("/"):
        raise FetchError(f"Failed to fetch '{uri}': a relative path")
    return Path(uri)


def fetch_all(uris: list[Json], sandbox: Path) -> None:
    """Copy or unpack every URI. Raises `FetchError`."""
    for uri in uris:
        fetch(uri, sandbox)


def fetch(uri: Json, sandbox: Path) -> None:
    """Copy one URI. `executable` sets the mode; otherwise an archive is unpacked if `extract`."""
    source = local_path(uri["value"])
    name = uri.get("output_file") or source.name
    target = sandbox / PurePosixPath(name)
    if not target.resolve().is_relative_to(sandbox.resolve()):
        raise FetchError(f"Failed to fetch '{uri['value']}': '{name}' leaves the sandbox")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        if uri.get("executable"):
            target.chmod(0o755)
        elif uri.get("extract", True):
            _extract(target, sandbox)
    except (OSError, subprocess.SubprocessError) as error:
        raise FetchError(f"Failed to fetch '{uri['value']}': {error}") from error


def _extract(archive: Path, sandbox: Path) -> None:
    """Unpack a file if its name is that of an archive. Raises `FetchError`, `OSError`."""
    import lzma  # imported here: most executors fetch nothing, and start-up time counts
    import tarfile
    import zipfile
    import zlib

    from mrmesos.access.unpacking import UnsafeArchive, check_tar, check_zip

    try:
        if archive.name.endswith(_TAR):
            with tarfile.open(archive) as tar:
                members = tar.getmembers()
                check_tar(members, sandbox)
                tar.extractall(sandbox, members, filter="tar")
        elif archive.name.endswith(".zip"):
            with zipfile.ZipFile(archive) as packed:
                check_zip(packed.infolist(), sandbox)
                packed.extractall(sandbox)
        elif archive.name.endswith(".gz"):
            with archive.with_suffix("").open("wb") as out:
                subprocess.run(["gzip", "-dc", str(archive)], stdout=out, check=True)
    except (
        *(tarfile.TarError, zipfile.BadZipFile, UnsafeArchive, zlib.error, lzma.LZMAError),
        *(EOFError, RuntimeError, OverflowError, UnicodeError),
    ) as error:
        raise FetchError(f"Failed to unpack '{archive.name}': {error}") from error
