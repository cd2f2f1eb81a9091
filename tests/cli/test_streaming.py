"""`mrmesos streaming` with real processes, and mistakes that are told before anything starts."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mrmesos.cli import main
from tests.streaming.support import script

COUNT = """
#include <stdio.h>
int main(void) {
    int c, n = 0;
    while ((c = getchar()) != EOF) n += c == '\\n';
    printf("lines\\t%d\\n", n);
    fprintf(stderr, "reporter:counter:c,programs,1\\n");
    return 0;
}
"""


def run(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "mrmesos", "streaming", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=directory, timeout=120)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler is installed")
def test_a_compiled_mapper_and_a_python_reducer(tmp_path: Path) -> None:
    (tmp_path / "count.c").write_text(COUNT)
    subprocess.run(["cc", "-o", tmp_path / "count", tmp_path / "count.c"], check=True)
    script(
        tmp_path,
        "total.py",
        "import sys\nprint('all', sum(int(line.split('\\t')[1]) for line in sys.stdin), sep='\\t')",
    )
    text = "".join(f"line {index}\n" for index in range(1_000))
    (tmp_path / "in.txt").write_text(text)
    done = run(
        tmp_path,
        *("-input", "in.txt", "-output", "out", "-mapper", "count", "-reducer", "total.py"),
        *("-file", "count", "-file", "total.py", "-D", "mapred.map.tasks=2"),
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "part-00000").read_text() == "all\t1000\n"
    assert "programs" in done.stderr
    assert (tmp_path / "out" / "_SUCCESS").exists()


def test_an_archive_is_a_directory_of_the_child(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "words.txt").write_text("one\ntwo\n")
    shutil.make_archive(str(tmp_path / "words"), "gztar", tmp_path / "tree")
    (tmp_path / "in.txt").write_text("x\n")
    done = run(
        tmp_path,
        *("-input", "in.txt", "-output", "out", "-mapper", "cat w/words.txt", "-reducer", "NONE"),
        *("-archives", "words.tar.gz#w"),
    )
    assert done.returncode == 0, done.stderr
    parts = [part.read_text() for part in sorted((tmp_path / "out").glob("part-*"))]
    assert set(parts) == {"one\ntwo\n"}, "a command runs once in each map, lines or not"


def test_a_failing_mapper_shows_its_stderr(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("x\n")
    script(tmp_path, "bad.py", "import sys\nsys.exit('no luck today')")
    done = run(
        tmp_path,
        *("-input", "in.txt", "-output", "out", "-mapper", "bad.py", "-file", "bad.py"),
        *("-D", "mapred.map.max.attempts=1"),
    )
    assert done.returncode == 1
    assert "`bad.py` ended with exit code 1" in done.stderr
    assert "no luck today" in done.stderr


@pytest.mark.parametrize(("words", "code"), [(["-help"], 0), (["--help"], 0), ([], 2)])
def test_help(words: list[str], code: int) -> None:
    result = CliRunner().invoke(main, ["streaming", *words])
    assert result.exit_code == code
    assert "-numReduceTasks N" in result.output


@pytest.mark.parametrize(
    ("mapper", "files", "say"),
    [
        ("plain.py", ("-file", "plain.py"), "has no #! line"),
        ("here.py", (), "add -files here.py"),
        ("no-such-program-here", (), "there is no program no-such-program-here"),
        ("/no/such/program", (), "/no/such/program does not exist"),
        ("dos.py", ("-file", "dos.py"), "Unix line ends"),
        ("cat", ("-file", "missing.py"), "missing.py: no such file"),
    ],
)
def test_mistakes_are_told_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mapper: str, files: tuple[str, ...], say: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.txt").write_text("x\n")
    Path("plain.py").write_text("print(1)\n")
    Path("here.py").write_text("#!/usr/bin/env python3\n")
    Path("dos.py").write_bytes(b"#!/usr/bin/env python3\r\n")
    words = ["-input", "in.txt", "-output", "out", "-mapper", mapper, *files]
    result = CliRunner().invoke(main, ["streaming", *words])
    assert result.exit_code == 2, result.output
    assert say in result.output
    assert len(result.output.splitlines()) == 1
    assert not Path("out").exists()
