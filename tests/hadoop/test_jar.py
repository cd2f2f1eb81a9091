"""`hadoop jar`: where its paths are, its help, and its exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from mrmesos.hadoop import jar
from mrmesos.hadoop.__main__ import main
from mrmesos.hadoop.paths import Places
from mrmesos.streaming.options import StreamingOptions


def test_files_without_a_scheme_are_local_and_inputs_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[StreamingOptions] = []

    def run(options: StreamingOptions, display: object) -> int:
        seen.append(options)
        return 0

    monkeypatch.setattr(jar, "run_streaming", run)
    monkeypatch.delenv("MRMESOS_JOBTRACKER_URL", raising=False)
    words = (
        *("hadoop-streaming-3.4.1.jar", "-input", "/in,more", "-output", "out", "-mapper", "cat"),
        *("-file", "m.py", "-files", "/home/ann/r.py#reduce.py,hdfs:///lib/x.txt"),
        *("-archives", "file:///tmp/a.tgz#a"),
    )
    assert jar.run_jar(words, Places("hdfs://nn", "/none", "ann"), {}) == 0
    (options,) = seen
    assert options.inputs == ("hdfs://nn/in,hdfs://nn/user/ann/more",)
    assert options.output == "hdfs://nn/user/ann/out"
    assert options.files == ("m.py", "/home/ann/r.py#reduce.py", "hdfs://nn/lib/x.txt")
    assert options.archives == ("/tmp/a.tgz#a",)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with an input and an output. Nobody listens at the JobTracker's address."""
    (tmp_path / "in").write_text("x\n")
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HADOOP_CONF_DIR", raising=False)
    monkeypatch.setenv("MRMESOS_JOBTRACKER_URL", "http://127.0.0.1:1")
    return tmp_path


@pytest.mark.parametrize(
    ("given", "output", "code", "say"),
    [
        ("in", "out", 4, "out: output exists already"),
        ("none", "new", 5, "none: input does not exist"),
        ("in,none", "new", 5, "none: input does not exist"),
        ("in", "", 1, "-output"),
    ],
)
def test_exit_codes_of_hadoop_before_anything_starts(
    place: Path, capsys: pytest.CaptureFixture[str], given: str, output: str, code: int, say: str
) -> None:
    words = ["-input", given, "-mapper", "cat", *(["-output", output] if output else [])]
    assert main(["jar", "hadoop-streaming.jar", *words]) == code
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("ERROR streaming.StreamJob: ")
    assert say in first
    assert second == "Streaming Command Failed!"
    assert not (place / "new").exists()


@pytest.mark.parametrize("option", ["-info", "-help"])
@pytest.mark.parametrize("command", [["streaming"], ["jar", "hadoop-streaming-3.4.1.jar"]])
def test_help_is_told_and_no_failure(
    capsys: pytest.CaptureFixture[str], command: list[str], option: str
) -> None:
    assert main([*command, option]) == 0
    said = capsys.readouterr()
    assert "-mapper COMMAND" in said.out
    assert not said.err
