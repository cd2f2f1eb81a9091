"""Scripts that run themselves: `python job.py`, as users of mrjob expect."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mrmesos
from mrmesos.cli.script import split_words

JOB = """
import mrmesos
from mrmesos.api import Job, Mapper, Reducer


class Tokenize(Mapper):
    def map(self, key, line):
        yield from ((word, 1) for word in line.split() if len(word) >= self.context.args.least)


class Total(Reducer):
    def reduce(self, word, counts):
        yield word, sum(counts)


class WordCount(Job):
    '''Counts words.'''

    mapper, combiner, reducer = Tokenize, Total, Total

    @classmethod
    def add_arguments(cls, parser):
        parser.add_argument("--least", type=int, default=1, help="Least letters of a word.")


if __name__ == "__main__":
    mrmesos.run(WordCount)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "wordcount.py"
    path.write_text(JOB)
    return path


def run(script: Path, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, script.name, *words],
        cwd=script.parent,
        input=given,
        env={**os.environ, "PYTHONPATH": str(Path(mrmesos.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def parser() -> argparse.ArgumentParser:
    own = argparse.ArgumentParser(add_help=False)
    own.add_argument("--least", "-l", type=int)
    own.add_argument("--flag", action="store_true")
    own.add_argument("--names", nargs="*")
    own.add_argument("--pair", nargs=2)
    return own


@pytest.mark.parametrize(
    ("words", "ours", "theirs"),
    [
        ("a.txt -q", "a.txt -q", ""),
        ("--least 3 a.txt", "a.txt", "--least 3"),
        ("--least=3 a.txt -l 4", "a.txt", "--least=3 -l 4"),
        ("a --flag b", "a b", "--flag"),
        ("--names x y -q a", "-q a", "--names x y"),
        ("--pair x y a", "a", "--pair x y"),
        ("a -D map.cpus=1 -- --output b", "a -D map.cpus=1", "--output b"),
        ("a --least", "a", "--least"),
    ],
)
def test_words_of_the_job_are_told_from_ours(words: str, ours: str, theirs: str) -> None:
    assert split_words(parser(), words.split()) == (ours.split(), theirs.split())


def test_help_has_the_options_of_the_job(script: Path) -> None:
    said = run(script, "--help").stdout
    assert "Counts words." in said
    assert "--least LEAST" in said
    assert "--local-agents" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere.txt",), "nowhere.txt: input does not exist"),
        (("--nix",), "No such option '--nix'."),
        (("--master", "http://m:5050"), "--master needs --output"),
        (("wordcount.py", "--least", "x"), "argument --least: invalid int value"),
    ],
)
def test_a_mistake_is_one_line(script: Path, words: tuple[str, ...], said: str) -> None:
    done = run(script, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_plan_needs_no_output(script: Path) -> None:
    done = run(script, "wordcount.py", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("WordCount\n  runs on   this machine")


@pytest.mark.slow
def test_standard_input_to_standard_output(script: Path) -> None:
    done = run(script, "--least", "2", "-q", given="a rose is a rose\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "is\t1\nrose\t2\n"


@pytest.mark.slow
def test_files_to_an_output(script: Path, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("b a b\n")
    done = run(script, "in.txt", "--output", "out", "--local")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert (tmp_path / "out" / "part-r-00000").read_text() == "a\t1\nb\t2\n"


def test_what_is_no_job_of_a_script() -> None:
    with pytest.raises(TypeError, match="takes a class derived from Job or Chain"):
        mrmesos.run(int, [])
