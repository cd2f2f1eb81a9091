"""The files that are sent with a job: `--files`, `--archives`, `--py-files`, and modules."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.io.fs.scratch import Scratch
from mrmesos.wire.job import FileKind, JobFile

_PYTHON_SUFFIXES = (".py", ".zip", ".whl", ".egg")


class JobFiles:
    """The files of one job, and a directory that holds them in the same layout as on agents."""

    def __init__(self) -> None:
        self._scratch = Scratch("mrmesos-files-")
        self._root = Path(self._scratch.name)
        self._paths: dict[JobFile, Path] = {}

    def close(self) -> None:
        """Remove the directory."""
        self._scratch.cleanup()

    @property
    def files(self) -> tuple[JobFile, ...]:
        """The descriptions for the JobTracker."""
        return tuple(self._paths)

    def items(self) -> Iterable[tuple[JobFile, Path]]:
        """Each file with its path on this machine."""
        return self._paths.items()

    def add(self, kind: FileKind, given: Iterable[str]) -> None:
        """Add files from the command line: `path`, `URI` or `path#name`, or several of them with
        commas between, as in Hadoop. Raises UsageProblem.
        """
        from mrmesos.task.files.job_files import named_files

        for text in named_files(given):
            self._add_one(kind, text)

    def _add_one(self, kind: FileKind, text: str) -> None:
        option = _OPTIONS[kind]
        where, alias = text, ""
        if "#" in text and not Path(text).exists():
            where, _, alias = text.rpartition("#")
        name = alias or where.rstrip("/").rpartition("/")[2]
        if name in ("", ".", "..") or "/" in name:
            raise UsageProblem(f"{option} {text}: {name!r} is not a file name")
        if kind is FileKind.PYTHON and (alias or not name.endswith(_PYTHON_SUFFIXES)):
            raise UsageProblem(
                f"{option} {text}: expected {', '.join(_PYTHON_SUFFIXES)} (no #name)"
            )
        self._take(name, kind, self._fetched(option, where), f"{option} {text}")

    def _fetched(self, option: str, where: str) -> Path:
        """Return the path of a file. A file at a URI is copied first."""
        if "://" not in where:
            path = Path(where).absolute()
            if not path.is_file():
                what = "a directory; pack it first" if path.is_dir() else "no such file"
                raise UsageProblem(f"{option} {where}: {what}")
            return path
        from mrmesos.io.fs.filesystem import InputError, open_filesystem
        from mrmesos.io.fs.filesystem import reason as words

        copy = self._root / f"fetched-{len(self._paths)}"
        try:
            fs, path_there = open_filesystem(where)
            fs.get_file(path_there, str(copy))
        except InputError as problem:
            raise UsageProblem(f"{option} {problem}") from problem
        except Exception as problem:  # drivers of remote stores raise any type
            raise UsageProblem(f"{option} {where}: {words(problem)}") from problem
        return copy

    def _take(self, name: str, kind: FileKind, path: Path, words: str) -> None:
        from mrmesos.task.files.archives import BadArchive, unpacked_bytes
        from mrmesos.task.files.job_files import is_unpacked

        with path.open("rb") as opened:
            sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
        file = JobFile(name=name, sha256=sha256, size=path.stat().st_size, kind=kind)
        if any(
            each.name == name and (each.kind is FileKind.PYTHON) == (kind is FileKind.PYTHON)
            for each in self._paths
        ):
            raise UsageProblem(
                f"{words}: there is already a file {name}; rename this one with #name"
            )
        if is_unpacked(file):
            try:
                unpacked_bytes(path)
            except BadArchive as problem:
                raise UsageProblem(f"{words}: {problem}") from problem
        self._paths[file] = path

    def add_directory(self, path: Path, name: str = "") -> None:
        """Add a directory, packed. Tasks find it unpacked under `name`, else under its own name."""
        if not path.is_dir():
            raise UsageProblem(f"{path}: no such directory")
        packed = shutil.make_archive(str(self._root / f"packed-{len(self._paths)}"), "gztar", path)
        self._take(name or path.resolve().name, FileKind.ARCHIVE, Path(packed), str(path))

    def add_modules(self, name: str, zipped: bytes) -> None:
        """Add the modules beside the script. They come first on `sys.path`."""
        if not zipped:
            return
        path = self._root / name
        path.write_bytes(zipped)
        others, self._paths = self._paths, {}
        self._take(name, FileKind.PYTHON, path, name)
        self._paths |= others

    def import_here(self) -> None:
        """Let this process import from `--py-files`, as workers do."""
        from mrmesos.task.files.job_files import import_from

        self._place((FileKind.PYTHON,))
        import_from(self._root, self.files)

    def cached(self) -> Mapping[str, Path]:
        """The paths that `context.cached` returns in this process."""
        from mrmesos.task.files.job_files import cached

        self._place((FileKind.FILE, FileKind.ARCHIVE))
        return cached(self._root, self.files)

    def _place(self, kinds: Iterable[FileKind]) -> None:
        from mrmesos.task.files.archives import unpack
        from mrmesos.task.files.job_files import is_unpacked, link

        wanted = set(kinds)
        for file, path in self._paths.items():
            if file.kind not in wanted:
                continue
            target = path
            if is_unpacked(file):
                target = self._root / "unpacked" / file.kind / file.name
                unpack(path, target)
            link(self._root, file, target)


_OPTIONS = {
    FileKind.FILE: "--files",
    FileKind.ARCHIVE: "--archives",
    FileKind.PYTHON: "--py-files",
}
