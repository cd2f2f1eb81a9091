"""A wrong use of `mrmesos submit` gives one line on stderr and exit code 2, and starts nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mrmesos.cli import VERBS, main
from mrmesos.client.code.inputs import absolute_uri
from mrmesos.client.local_cluster import LocalCluster

JOB = """
from mrmesos.api import Job, Mapper

class Copy(Job):
    mapper = Mapper
"""


class Place:
    """A directory with a good job and a good input, for commands with mistakes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.job = directory / "job.py"
        self.job.write_text(JOB)
        self.input = directory / "in.txt"
        self.input.write_text("a\n")
        self.output = directory / "out"

    def submit(self, *more: str, **instead: str) -> Result:
        names = {"script": self.job, "input": self.input, "output": self.output, **instead}
        arguments = ["submit", str(names["script"])]
        arguments += ["--input", str(names["input"]), "--output", str(names["output"]), *more]
        return CliRunner().invoke(main, arguments, prog_name="mrmesos")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(sys, "path", list(sys.path))
    return Place(tmp_path)


def told(result: Result, words: str) -> None:
    assert result.exit_code == 2, result.output
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    assert words in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-D", "novalue"), "-D novalue: expected name=value"),
        (("-D", "map.memory.mb=much"), "map.memory.mb"),
        (("-D", "map.memory.mb=1"), "at least 128"),
        (("--master", "http://h:1", "--jobtracker", "http://h:2"), "exclude each other"),
        (("--master", "http://h:1", "--local-agents", "2"), "--local-agents"),
        (("--local-agents", "0"), "--local-agents"),
        (("--detach",), "--detach needs --jobtracker"),
        (("--detach", "--jobtracker", "u", "--report", "r.json"), "--report"),
        (("--report", "/nowhere/at/all/r.json"), "cannot write in /nowhere/at/all"),
        (("--nix",), "No such option '--nix'. (see mrmesos submit --help)"),
    ],
)
def test_wrong_options(
    place: Place, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.setattr(LocalCluster, "__init__", None)  # no cluster must be started
    told(place.submit(*arguments), words)


@pytest.mark.parametrize(
    "arguments",
    [
        ("-D", "separator=\udcff"),
        ("-D", "na\udcffme=1"),
        ("--class", "\udcff"),
        ("--files", "caf\udce9.txt"),
        ("--input", "/data/caf\udce9/*"),
        ("--jobtracker", "http://h\udcff:1"),
    ],
)
def test_arguments_that_are_no_unicode(
    place: Place, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setattr(LocalCluster, "__init__", None)
    told(place.submit(*arguments), "is not Unicode text")


def test_a_setting_of_the_job_that_is_no_unicode(place: Place) -> None:
    place.job.write_text(JOB + "    conf = {'separator': 'a\\udcff'}\n")
    told(place.submit(), "a\\udcff is not Unicode text")


def test_a_missing_script_starts_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalCluster, "__init__", None)
    told(place.submit(script="nix.py"), "nix.py: no such script")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"input": "/nowhere/at/all"}, "/nowhere/at/all"),
        ({"input": "file:///nowhere/*.txt"}, "/nowhere/*.txt"),
        ({"output": "/proc/version/out"}, "/proc/version/out"),
        ({"input": "nix://host/path"}, "nix://host/path"),
        ({"input": ""}, "--input is empty"),
        ({"output": ""}, "--output is empty"),
        ({"output": "nix://host/path"}, "nix://host/path"),
    ],
)
def test_wrong_files(place: Place, wrong: dict[str, str], words: str) -> None:
    told(place.submit(**wrong), words)
    assert not place.output.exists()


def test_an_existing_output_stays_as_it_is(place: Place) -> None:
    place.output.mkdir()
    told(place.submit(), str(place.output))
    assert list(place.output.iterdir()) == []


def test_wrong_jobs(place: Place) -> None:
    place.job.write_text(JOB + "\nclass Another(Job):\n    pass\n")
    told(place.submit(), "--class Another")
    told(place.submit("--class", "Nix"), "no class Nix")
    place.job.write_text(JOB)
    told(place.submit("--", "--top", "3"), "--top 3")


@pytest.mark.parametrize(
    ("script", "helper", "first", "below"),
    [
        ("1 / 0\n", "", "job.py, line 1: ZeroDivisionError: division by zero", "1 / 0"),
        (
            "import helper_of_job\n",
            "X = 1\ndef boom():\n    raise ValueError('it broke')\nboom()\n",
            "helper_of_job.py, line 3: ValueError: it broke",
            "raise ValueError('it broke')",
        ),
        (
            "import helper_of_job\n",
            "def f(:\n    pass\n",
            "helper_of_job.py, line 1: SyntaxError: invalid syntax",
            "          ^\n",
        ),
        (
            "class J(Job)\n    x = 1\n",
            "",
            "job.py, line 1: SyntaxError: expected ':'",
            "class J(Job)",
        ),
        (
            "try:\n    int('x')\nexcept ValueError as e:\n    raise KeyError('y') from e\n",
            "",
            "job.py, line 4: KeyError: 'y'",
            "ValueError: invalid literal for int() with base 10: 'x'",
        ),
        (
            "class Odd(BaseException):\n    def __str__(self):\n        return 1 / 0\nraise Odd\n",
            "",
            "job.py, line 4: Odd: <its str() raises ZeroDivisionError>",
            "raise Odd",
        ),
        (
            JOB + "    def add_arguments(parser):\n        parser.nix()\n",
            "",
            "AttributeError: '_Parser' object has no attribute 'nix'",
            "parser.nix()",
        ),
        (
            JOB + "    def __init__(self, args):\n        args.nix\n",
            "",
            "AttributeError: 'Namespace' object has no attribute 'nix'",
            "args.nix",
        ),
    ],
)
def test_errors_of_the_script_keep_their_line_and_traceback(
    place: Place, script: str, helper: str, first: str, below: str
) -> None:
    place.job.write_text(script)
    (place.job.parent / "helper_of_job.py").write_text(helper)
    sys.modules.pop("helper_of_job", None)
    result = place.submit()
    assert result.exit_code == 2, result.output
    head, _, rest = result.stderr.partition("\n")
    assert head.startswith("mrmesos: ")
    assert first in head
    assert below in rest
    assert os.path.join("mrmesos", "client") not in rest, "no frames of ours"  # noqa: PTH118
    assert result.stdout == ""


def test_a_job_too_large_for_this_machine(place: Place) -> None:
    told(place.submit("-D", "map.memory.mb=100000000"), "map.memory.mb")
    told(place.submit("-D", "map.cpus=1000"), "map.cpus")


def test_masters_and_jobtrackers_that_do_not_answer(place: Place) -> None:
    told(place.submit("--master", "http://127.0.0.1:1"), "no Mesos master answers there")
    told(place.submit("--master", "https://127.0.0.1:1"), "--master")
    told(
        place.submit("--jobtracker", "ftp://x"),
        "--jobtracker: 'ftp://x' is not of the form http://host:port",
    )
    told(place.submit("--jobtracker", "somewhere"), "--jobtracker: 'somewhere' is not")


def test_misspelt_settings_are_warned_of(place: Place) -> None:
    result = place.submit("-D", "map.memory.mbs=7", input="/nowhere")
    assert "did you mean map.memory.mb?" in result.stderr
    assert result.exit_code == 2


def test_help_of_a_job_is_shown(place: Place) -> None:
    result = place.submit("--", "--help")
    assert result.exit_code == 0
    assert "usage: job.py" in result.stdout


def test_paths_become_uris(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute_uri("a/../b *.txt") == f"file://{tmp_path}/b *.txt"
    assert absolute_uri("/x/") == "file:///x"
    assert absolute_uri("hdfs://h/x") == "hdfs://h/x"


def test_help_is_fast_and_imports_no_verb() -> None:
    code = (
        "import sys, mrmesos.cli\n"
        "try: mrmesos.cli.main(['--help'])\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'aiohttp', 'pyarrow', 'numpy', 'rich', 'msgspec', 'mrmesos.cli.submit'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stderr.strip() == "[]"
    assert all(verb in ran.stdout for verb in VERBS)


def test_the_command_keeps_pyarrow_out_of_its_process(tmp_path: Path) -> None:
    place = Place(tmp_path)
    code = (
        "import json, sys\nimport mrmesos.client.submission, mrmesos.jobtracker.service\n"
        "import mrmesos.client.preflight as s\n"
        "from mrmesos.client.code.loading import load\n"
        "from mrmesos.client.code.target import parse_target\n"
        "from mrmesos.conf import Conf\n"
        "load(parse_target(sys.argv[1]), Conf(), ())\n"
        "s.check_files([sys.argv[2]], sys.argv[3])\n"
        "print(json.dumps([m for m in ('pyarrow', 'numpy', 'rich') if m in sys.modules]))"
    )
    arguments = [str(place.job), str(place.input), str(place.output)]
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, check=True, timeout=60
    )
    assert json.loads(ran.stdout) == []


def test_nothing_is_left_after_a_refusal(place: Place) -> None:
    """The cluster that starts while the job is loaded ends, too."""
    ran = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "mrmesos",
            "submit",
            str(place.job),
            "--input",
            "/nowhere",
            "--output",
            str(place.output),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    _, errors = ran.communicate(timeout=60)
    assert ran.returncode == 2
    assert len(errors.decode().strip().splitlines()) == 1
    end = time.monotonic() + 10
    while children_of_session(ran.pid):
        assert time.monotonic() < end
        time.sleep(0.01)


def children_of_session(parent: int) -> list[str]:
    """Processes that the process `parent` started, directly or indirectly."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == parent:
                found.append(entry.name)
    return found
