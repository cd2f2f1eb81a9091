"""`mrmesos pack`: the contents of a package, and a job on an agent that has only a Python."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from mrmesos.cli import main
from mrmesos.client.code.packing import distributions_of, soabi, write_archive, write_launcher
from mrmesos.client.terminal.errors import UsageProblem

JOB = """
import sys
import mrmesos
from mrmesos.api import Job, Mapper

class Where(Mapper):
    def map(self, key, line):
        import packed_along
        yield sys.executable, mrmesos.__file__
        yield packed_along.WORD, packed_along.__file__

class J(Job):
    mapper = Where
    reducer = None
"""


@pytest.fixture
def bare_python(tmp_path: Path) -> Path:
    """A Python of this version with nothing installed."""
    venv.create(tmp_path / "bare", symlinks=True)
    return tmp_path / "bare" / "bin" / "python3"


def test_what_mrmesos_needs_is_found_with_what_that_needs() -> None:
    names = {
        each.metadata["Name"].lower().replace("_", "-") for each in distributions_of("mrmesos")
    }
    assert {"mrmesos", "pymesos", "http-parser", "httptools", "pyarrow", "aiohttp", "idna"} <= names
    assert "pytest" not in names
    with pytest.raises(UsageProblem, match="not installed"):
        distributions_of("no-such-distribution-anywhere")


def test_only_archives_that_mesos_unpacks_are_written(tmp_path: Path) -> None:
    for output, words in (("x.zip", "must end in .tar.gz"), ("nix/x.tgz", "no such directory")):
        refused = CliRunner().invoke(main, ["pack", "-o", str(tmp_path / output)])
        assert refused.exit_code == 2
        assert words in refused.stderr


def test_the_launcher_takes_only_a_python_that_fits(tmp_path: Path, bare_python: Path) -> None:
    package = tmp_path / "package" / "site-packages" / "mrmesos" / "tasktracker"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("import sys; print(sys.executable, sys.path[0])")
    launcher = tmp_path / "package" / "tasktracker"

    def launched(**environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", "-c", "exec package/tasktracker"],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    write_launcher(launcher, soabi())
    ran = launched(MRMESOS_PYTHON=str(bare_python))
    assert ran.stdout.split() == [str(bare_python), str(package.parent.parent)], ran.stderr
    write_launcher(launcher, "cpython-27-elsewhere")
    ran = launched(PATH=f"{bare_python.parent}:/usr/bin:/bin")
    assert ran.returncode == 69
    words = rf"\(cpython-27-elsewhere\), and .* has none; found:.* python3 \({soabi()}\)"
    assert re.search(words, ran.stderr)


def test_the_same_files_are_the_same_archive(tmp_path: Path) -> None:
    made = []
    for number, mode in enumerate((0o600, 0o664)):
        directory = tmp_path / str(number) / "package"
        (directory / "inner").mkdir(parents=True)
        for name in ("inner/b", "a") if number else ("a", "inner/b"):
            (directory / name).write_text(name)
            (directory / name).chmod(mode)
            os.utime(directory / name, (number, number))
        (directory / "run").touch(mode=0o700)
        assert write_archive(directory, tmp_path / "package.tgz") == len("inner/ba")
        made.append((tmp_path / "package.tgz").read_bytes())
    assert made[0] == made[1]
    with tarfile.open(tmp_path / "package.tgz") as tar:
        assert {member.name: member.mode for member in tar if member.isfile()} == {
            "package/a": 0o644,
            "package/inner/b": 0o644,
            "package/run": 0o755,
        }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "package.tgz"]


def tiny_wheel(directory: Path) -> None:
    """A distribution `packed-along` with one module."""
    info = "packed_along-1.0.dist-info"
    with zipfile.ZipFile(directory / "packed_along-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("packed_along.py", "WORD = 'along'\n")
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: packed-along\nVersion: 1.0\n"
        )
        wheel.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        names = ("packed_along.py", f"{info}/METADATA", f"{info}/WHEEL", f"{info}/RECORD")
        wheel.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in names))


@contextlib.contextmanager
def bare_minimesos(directory: Path, python: Path) -> Iterator[str]:
    """A Mesos whose environment has that Python and nothing of ours."""
    directory.mkdir()
    read, write = os.pipe()
    command = [sys.executable, "-m", "mrmesos", "minimesos", "--port", "0", "--exit-with-stdin"]
    command += ["--announce", f"fd:{write}", "--work-dir", str(directory / "work")]
    process = subprocess.Popen(
        command,
        cwd=directory,
        env={"PATH": f"{python.parent}:/usr/bin:/bin", "HOME": str(directory)},
        stdin=subprocess.PIPE,
        pass_fds=(write,),
    )
    os.close(write)
    try:
        with os.fdopen(read) as announced:
            yield announced.readline().strip()
    finally:
        process.communicate(timeout=60)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_job_on_an_agent_that_has_a_python_only(tmp_path: Path, bare_python: Path) -> None:
    absent = subprocess.run([str(bare_python), "-c", "import mrmesos"], cwd=tmp_path, check=False)
    assert absent.returncode
    tiny_wheel(tmp_path)
    (tmp_path / "needs.txt").write_text(f"--no-index\n--find-links {tmp_path}\npacked-along\n")
    package = tmp_path / "package.tar.gz"
    command = [sys.executable, "-m", "mrmesos", "pack", "-r", "needs.txt", "-o", str(package)]
    said = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=400
    )
    assert said.returncode == 0, said.stderr
    with tarfile.open(package) as tar:
        names = tar.getnames()
    checkout = str(Path(__file__).parents[2])
    assert {name.partition("/")[0] for name in names} == {"mrmesos-package"}
    assert "mrmesos-package/site-packages/mrmesos/worker/__main__.py" in names

    (tmp_path / "job.py").write_text(JOB)
    (tmp_path / "in.txt").write_text("a line\n")
    with bare_minimesos(tmp_path / "agent", bare_python) as master:
        command = [sys.executable, "-m", "mrmesos", "submit", "job.py", "--input", "in.txt"]
        command += ["--output", "out", "--master", master, "-D", f"tasktracker.package={package}"]
        ran = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
        )
    assert ran.returncode == 0, ran.stderr
    lines = "".join(part.read_text() for part in sorted((tmp_path / "out").glob("part-*")))
    found = dict(line.split("\t") for line in lines.splitlines())
    assert {Path(name).parent for name in found} == {bare_python.parent, Path()}
    for file in found.values():
        assert file.startswith(str(tmp_path / "agent" / "work"))
        assert not file.startswith(checkout)
