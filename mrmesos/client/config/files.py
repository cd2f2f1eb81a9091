"""Finds and reads the files of the configuration."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mrmesos.conf import ConfError
from mrmesos.conf.toml_file import FILE_NAME, TomlFile, parse_toml

VARIABLE = "MRMESOS_CONFIG_FILE"
SYSTEM = Path("/etc/mrmesos") / FILE_NAME
BYTES_MAX = 1 << 20


def found_files(environ: Mapping[str, str], here: Path, system: Path = SYSTEM) -> list[TomlFile]:
    """The existing files, the weakest first: the system's, the user's, the project's.

    Raises ConfError if a file cannot be read, or if somebody else could have written the project's.
    """
    own = Path(environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "mrmesos" / FILE_NAME
    files = [_read(path) for path in (system, own) if path.exists()]
    if VARIABLE in environ:
        named = environ[VARIABLE]
        return [*files, _read(Path(named).expanduser().absolute())] if named else files
    project = project_file(here)
    if project is not None and project not in (system, own):
        _check_owner(project)
        files.append(_read(project))
    return files


def project_file(here: Path) -> Path | None:
    """The file in this directory, else in the nearest directory above it, up to the repository's
    top or the user's home.
    """
    home = Path("~").expanduser()
    for directory in (here, *here.parents):
        path = directory / FILE_NAME
        if path.is_file():
            return path
        if directory == home or (directory / ".git").exists():
            return None
    return None


def _check_owner(path: Path) -> None:
    """Raise ConfError if another user could have written the file, because it can name programs to
    run.
    """
    status = path.stat()
    whose = "" if status.st_uid in (os.geteuid(), 0) else f"belongs to user {status.st_uid}"
    if status.st_mode & 0o002:
        whose = "can be written by everybody"
    if whose:
        raise ConfError(
            f"{path} {whose}, who could change your jobs; if you trust it, name it with "
            f"{VARIABLE}={path}, or set {VARIABLE}= to do without"
        )


def _read(path: Path) -> TomlFile:
    try:
        with path.open("rb") as file:
            text = file.read(BYTES_MAX + 1)
        if len(text) > BYTES_MAX:
            raise ConfError(f"{path} is larger than {BYTES_MAX} bytes")
        return parse_toml(path, text.decode("utf-8"))
    except OSError as problem:
        raise ConfError(f"{path}: {problem.strerror or problem}") from None
    except UnicodeDecodeError:
        raise ConfError(f"{path}: this is not UTF-8") from None
