"""`--files`, `--archives` and `--py-files`: from the command line to a job's tasks."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from mrmesos.client.code.job_files import JobFiles
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.wire.job import FileKind

JOB = """
from mrmesos.api import Job, Mapper, Sum, TotalOrder

class Marked(Mapper):
    def setup(self):
        self.stop = self.context.cached("stop.txt").read_text().split()
        self.inner = self.context.cached("packed") / "inner.txt"
    def map(self, key, line):
        import beside
        from library.deep import END
        for word in line.split():
            if word not in self.stop:
                yield beside.marked(word) + self.inner.read_text() + END, 1

class Count(Job):
    mapper, reducer, partitioner, num_reducers = Marked, Sum, TotalOrder, 2
"""


@pytest.fixture
def files() -> Iterator[JobFiles]:
    files = JobFiles()
    yield files
    files.close()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "stop.en").write_text("the a")
    (tmp_path / "inner.txt").write_text("+")
    with tarfile.open(tmp_path / "packed.tgz", "w:gz") as tar:
        tar.add(tmp_path / "inner.txt", "inner.txt")
    with zipfile.ZipFile(tmp_path / "library.zip", "w") as archive:
        archive.writestr("library/__init__.py", "")
        archive.writestr("library/deep.py", "END = '.'\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "single.py").write_text("X = 1\n")
    return tmp_path


def test_names_come_from_paths_or_follow_them(files: JobFiles, place: Path) -> None:
    odd = place / "odd,name#1"
    odd.write_text("odd")
    files.add(FileKind.FILE, [f"{place}/stop.en,{place}/stop.en#stop.txt", str(odd)])
    files.add(FileKind.ARCHIVE, [f"{place}/packed.tgz#packed"])
    files.add(FileKind.PYTHON, [f"{place}/single.py", f"file://{place}/library.zip"])
    files.add_modules("job.modules.zip", (place / "library.zip").read_bytes())
    assert [file.name for file in files.files] == [
        *("job.modules.zip", "stop.en", "stop.txt", "odd,name#1", "packed"),
        *("single.py", "library.zip"),
    ]
    cached = files.cached()
    assert cached["stop.txt"].read_text() == "the a"
    assert (cached["packed"] / "inner.txt").read_text() == "+"


@pytest.mark.parametrize(
    ("kind", "given", "words"),
    [
        (FileKind.FILE, "nix", "--files .*nix: no such file"),
        (FileKind.FILE, "folder", "a directory"),
        (FileKind.FILE, "stop.en#a/b", "not a file name"),
        (FileKind.FILE, "stop.en,inner.txt#stop.en", "already a file stop.en"),
        (FileKind.FILE, "memory://nowhere/x", "--files memory://nowhere/x"),
        (FileKind.ARCHIVE, "stop.en", "--archives .*is not a zip or tar"),
        (FileKind.PYTHON, "stop.en", "expected .py"),
        (FileKind.PYTHON, "single.py#other.py", "no #name"),
    ],
)
def test_a_file_that_cannot_be_sent_is_refused(
    files: JobFiles,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: FileKind,
    given: str,
    words: str,
) -> None:
    monkeypatch.chdir(place)
    with pytest.raises(UsageProblem, match=words):
        files.add(kind, [given])


def test_whatever_a_driver_raises_is_told_in_one_line(
    files: JobFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ClientError(Exception):
        """Like errors of botocore and aiohttp: neither an OSError nor a ValueError."""

    def refuse(*_args: object, **_more: object) -> None:
        raise ClientError("An error occurred (403)\nwhen calling HeadObject: Forbidden")

    monkeypatch.setattr(MemoryFileSystem, "get_file", refuse)
    with pytest.raises(UsageProblem) as told:
        files.add(FileKind.FILE, ["memory://bucket/x"])
    assert str(told.value) == (
        "--files memory://bucket/x: "
        "ClientError: An error occurred (403) when calling HeadObject: Forbidden"
    )


def test_tasks_and_the_client_see_them(place: Path) -> None:
    """The mapper runs in the client to sample keys for TotalOrder, and in workers."""
    (place / "jobs").mkdir()
    (place / "jobs" / "job.py").write_text(JOB)
    (place / "jobs" / "beside.py").write_text("def marked(x):\n    return x + '!'\n")
    (place / "in.txt").write_text("b the a c\n")
    command = [sys.executable, "-m", "mrmesos", "submit", "jobs/job.py"]
    command += ["--input", "in.txt", "--output", "out", "--files", "stop.en#stop.txt"]
    command += ["--archives", "packed.tgz#packed", "--py-files", "library.zip,single.py"]
    ran = subprocess.run(
        command, cwd=place, capture_output=True, text=True, check=False, timeout=100
    )
    assert ran.returncode == 0, ran.stderr
    parts = sorted((place / "out").glob("part-*"))
    assert "".join(part.read_text() for part in parts) == "b!+.\t1\nc!+.\t1\n"
