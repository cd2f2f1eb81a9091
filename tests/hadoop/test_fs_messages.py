"""`hadoop fs` says what Hadoop says: exit codes and first lines on stderr of FsShell 3.4.1.

They were taken from a real FsShell over a local directory with the files `a` and `b`, the directory
`dir` with the file `f`, and the directory `empty`. After the first line, Hadoop prints the usage of
all commands, and we print that of one command.

Some things differ, on purpose or because nobody has asked for them. Hadoop prints the whole URI of
a missing parent; we print the given path. Hadoop looks for the target of `-mv` and `-cp` before
their sources. `-truncate`, `-checksum` and `-df` are no commands here.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from mrmesos.hadoop.__main__ import main

SAYS = """
-nosuch | 255 | -nosuch: Unknown command
ls | 255 | ls: Unknown command
-ls /nope | 1 | ls: `/nope': No such file or directory
-ls /nope/* | 1 | ls: `/nope/*': No such file or directory
-cat | 255 | -cat: Not enough arguments: expected 1 but got 0
-cat /nope | 1 | cat: `/nope': No such file or directory
-cat dir | 1 | cat: `dir': Is a directory
-test x | 255 | -test: No test flag given
-test -e | 255 | -test: Not enough arguments: expected 1 but got 0
-test -e a b | 255 | -test: Too many arguments: expected 1 but got 2
-test -q a | 255 | -test: Illegal option -q
-test -e -d a | 255 | -test: Only one test flag is allowed
-tail | 255 | -tail: Not enough arguments: expected 1 but got 0
-tail a b | 255 | -tail: Too many arguments: expected 1 but got 2
-tail /nope | 1 | tail: `/nope': No such file or directory
-tail dir | 1 | tail: `dir': Is a directory
-head | 255 | -head: Not enough arguments: expected 1 but got 0
-head dir | 1 | head: `dir': Is a directory
-mkdir | 255 | -mkdir: Not enough arguments: expected 1 but got 0
-mkdir dir | 1 | mkdir: `dir': File exists
-put | 255 | -put: Not enough arguments: expected 1 but got 0
-put nope dir | 1 | put: `nope': No such file or directory
-put a | 1 | put: `a': File exists
-put a b | 1 | put: `b': File exists
-put a b nope | 1 | put: `nope': No such file or directory
-get | 255 | -get: Not enough arguments: expected 1 but got 0
-get nope out | 1 | get: `nope': No such file or directory
-get a b | 1 | get: `b': File exists
-copyToLocal a b | 1 | copyToLocal: `b': File exists
-rm | 255 | -rm: Not enough arguments: expected 1 but got 0
-rm nope | 1 | rm: `nope': No such file or directory
-rm dir | 1 | rm: `dir': Is a directory
-rm -r | 255 | -rm: Not enough arguments: expected 1 but got 0
-rm -q a | 255 | -rm: Illegal option -q
-rmdir | 255 | -rmdir: Not enough arguments: expected 1 but got 0
-rmdir nope | 1 | rmdir: `nope': No such file or directory
-rmdir dir | 1 | rmdir: `dir': Directory is not empty
-rmdir a | 1 | rmdir: `a': Is not a directory
-rmr | 255 | rmr: DEPRECATED: Please use '-rm -r' instead.
-rmr nope | 1 | rmr: DEPRECATED: Please use '-rm -r' instead.
-mv | 255 | -mv: Not enough arguments: expected 2 but got 0
-mv a | 255 | -mv: Not enough arguments: expected 2 but got 1
-mv a b | 1 | mv: `b': File exists
-mv a b nope | 1 | mv: `nope': No such file or directory
-cp | 255 | -cp: Not enough arguments: expected 2 but got 0
-cp a | 255 | -cp: Not enough arguments: expected 2 but got 1
-cp a b | 1 | cp: `b': File exists
-cp dir a | 1 | cp: `a': File exists
-du nope | 1 | du: `nope': No such file or directory
-du -q | 255 | -du: Illegal option -q
-dus nope | 1 | dus: DEPRECATED: Please use 'du -s' instead.
-count | 255 | -count: Not enough arguments: expected 1 but got 0
-count nope | 1 | count: `nope': No such file or directory
-stat | 255 | -stat: Not enough arguments: expected 1 but got 0
-stat nope | 1 | stat: `nope': No such file or directory
-stat %n nope | 1 | stat: `nope': No such file or directory
-touchz | 255 | -touchz: Not enough arguments: expected 1 but got 0
-touchz a | 1 | touchz: `a': Not a zero-length file
-touchz dir | 1 | touchz: `dir': Is a directory
-getmerge | 255 | -getmerge: Not enough arguments: expected 2 but got 0
-getmerge a | 255 | -getmerge: Not enough arguments: expected 2 but got 1
-getmerge nope out | 1 | getmerge: `nope': No such file or directory
-chmod | 255 | -chmod: Not enough arguments: expected 2 but got 0
-chmod 755 | 255 | -chmod: Not enough arguments: expected 2 but got 1
-chmod 9 a | 255 | -chmod: chmod : mode '9' does not match the expected pattern.
-chmod 755 nope | 1 | chmod: `nope': No such file or directory
-chown ann nope | 1 | chown: `nope': No such file or directory
-setrep | 255 | -setrep: Not enough arguments: expected 2 but got 0
-setrep 2 nope | 1 | setrep: `nope': No such file or directory
-text | 255 | -text: Not enough arguments: expected 1 but got 0
-text nope | 1 | text: `nope': No such file or directory
-text dir | 1 | text: `dir': Is a directory
-find nope | 1 | find: `nope': No such file or directory
-appendToFile a | 1 | appendToFile: missing destination argument
-usage nosuch | 255 | -usage: `nosuch': Unknown command
-help nosuch | 255 | -help: `nosuch': Unknown command
-lsr nope | 1 | lsr: DEPRECATED: Please use 'ls -R' instead.
-lsr | 0 | lsr: DEPRECATED: Please use 'ls -R' instead.
-mv dir dir/x | 1 | mv: `dir' to `dir/x': is a subdirectory of itself
-cp dir dir/x | 1 | cp: `dir' to `dir/x': is a subdirectory of itself
-mv a a | 1 | mv: `a': File exists
-cp a a | 1 | cp: `a': File exists
-moveFromLocal nope x | 1 | moveFromLocal: `nope': No such file or directory
-setrep 0 a | 255 | -setrep: replication must be >= 1
"""
SILENT = """
-ls -q | 0
-rm -f nope | 0
-help | 0
-help ls | 0
-usage | 0
-usage ls | 0
-expunge | 0
-ls | 0
-ls dir | 0
-ls empty | 0
-du dir | 0
-count dir | 0
-test -s a | 0
-test -d dir | 0
-ls -R dir | 0
-test -z a | 1
-test -f dir | 1
"""
MISSING = ("-put a nope/b", "-get a nope/b", "-mv a nope/b", "-cp a nope/b", "-touchz nope/b")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "a").write_text("aaa\n")
    (tmp_path / "b").write_text("bb\n")
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir/f").write_text("f\n")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HADOOP_CONF_DIR", raising=False)
    return tmp_path


def cells(table: str) -> list[list[str]]:
    return [line.split(" | ", 2) for line in table.strip().splitlines()]


@pytest.mark.parametrize(("words", "code", "first"), cells(SAYS))
def test_wrong_uses_and_failures(
    place: Path, capsys: pytest.CaptureFixture[str], words: str, code: str, first: str
) -> None:
    assert main(["fs", *words.split(" ")]) == int(code)
    assert capsys.readouterr().err.splitlines()[0] == first


@pytest.mark.parametrize(("words", "code"), cells(SILENT))
def test_what_goes_well(
    place: Path, capsys: pytest.CaptureFixture[str], words: str, code: str
) -> None:
    assert main(["fs", *words.split(" ")]) == int(code)
    assert not capsys.readouterr().err


@pytest.mark.parametrize("words", MISSING)
def test_a_missing_directory_of_the_target(
    place: Path, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    assert main(["fs", *words.split(" ")]) == 1
    command, *_, target = words[1:].split(" ")
    assert capsys.readouterr().err.startswith(f"{command}: `{target}': No such file or directory")


def test_a_list_without_a_path_has_plain_names(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fs", "-ls", "-R"]) == 0
    found = capsys.readouterr().out.splitlines()
    assert [line.split(" ")[-1] for line in found] == ["a", "b", "dir", "dir/f", "empty"]
    assert main(["fs", "-put", "dir/f"]) == 0
    assert (place / "f").read_text() == "f\n"


def test_append(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fs", "-appendToFile", "a", "b", "dir/f"]) == 0
    assert (place / "dir/f").read_text() == "f\naaa\nbb\n"
    assert main(["fs", "-appendToFile", "a", "nope", "b"]) == 1
    assert capsys.readouterr().err == "appendToFile: `nope': No such file or directory\n"
    assert (place / "b").read_text() == "bb\n"


def test_help_is_on_stdout(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fs", "-help"]) == 0
    assert "\t[-getmerge [-nl] <src> <localdst>]" in capsys.readouterr().out
    assert main(["fs", "-usage", "ls"]) == 0
    assert capsys.readouterr().out.startswith("Usage: hadoop fs [generic options] -ls ")
