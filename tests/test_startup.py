"""Users' files with names of our modules, and missing descriptors, change nothing."""

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from mrmesos.access.identity import current_user
from mrmesos.local import run as local_run

CONSOLE = "import sys; from mrmesos.__main__ import main; sys.exit(main(prog_name='mrmesos'))"
MODULES = ("random", "json", "queue", "click", "msgspec", "pyarrow", "glob", "resource")
JOB = """\
import mylib
from mrmesos.api import Job, Mapper, Reducer

class Words(Mapper):
    def map(self, key, line):
        for word in line.split():
            yield mylib.low(word), 1

class Total(Reducer):
    def reduce(self, word, counts):
        yield word, sum(counts)

class Count(Job):
    mapper, reducer = Words, Total
"""


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A directory whose modules say so when they are imported, and fail."""
    for name in MODULES:
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name} of the user')")
    return tmp_path


def run(here: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=here,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.mark.parametrize("command", [("-m", "mrmesos"), ("-P", "-c", CONSOLE)])
@pytest.mark.parametrize("path", ["", ".", "there:", "there/.."])
def test_modules_of_ours_come_first(trap: Path, command: tuple[str, ...], path: str) -> None:
    (trap / "there").mkdir()
    for verb in ("submit", "cat", "jobtracker", "minimesos", "job"):
        seen = run(trap, sys.executable, *command, verb, "--help", PYTHONPATH=path)
        assert (seen.returncode, seen.stderr) == (0, ""), verb


def test_relative_entries_are_absolute_for_children_and_searched_last(trap: Path) -> None:
    (trap / "mylib.py").write_text("")
    script = (
        "from mrmesos.startup import prepare; prepare(); import json, os, subprocess, sys\n"
        "again = 'from mrmesos.startup import prepare; prepare(); import json, mylib, os, sys;'\n"
        "again += 'print(json.dumps([os.environ[\"PYTHONPATH\"], sys.path[-1]]))'\n"
        "subprocess.run([sys.executable, '-P', '-c', again], cwd='/', check=True)"
    )
    seen = run(trap, sys.executable, "-P", "-c", script, PYTHONPATH=".:/elsewhere")
    assert seen.stderr == ""
    assert json.loads(seen.stdout) == [f"{trap}:/elsewhere", str(trap)]


def test_a_job_with_names_like_ours_about_it(trap: Path) -> None:
    (trap / "src").mkdir()
    (trap / "src" / "mylib.py").write_text("low = str.lower")
    (trap / "job").mkdir()
    (trap / "job" / "count.py").write_text(JOB)
    (trap / "in.txt").write_text("A b a")
    words = ("submit", "job/count.py", "--input", "in.txt", "--output", "out")
    command = 'exec "$0" -m mrmesos "$@" 2>/dev/full'  # nor does a disk without room
    seen = run(trap, "sh", "-c", command, sys.executable, *words, PYTHONPATH="src:")
    assert seen.returncode == 0
    parts = [path.read_text() for path in sorted((trap / "out").glob("part-*"))]
    assert sorted("".join(parts).splitlines()) == ["a\t2", "b\t1"]


def test_run_from_a_script_tells_what_is_searched_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["/beside/the/script", "/usr/lib/x"])
    environment = local_run.child_environment()
    assert environment["PYTHONPATH"] == "/beside/the/script:/usr/lib/x"
    assert environment["MRMESOS_PATH_LAST"].split(":")[0] == "/beside/the/script"


def test_the_kernel_says_who_we_are(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert current_user() == pwd.getpwuid(os.geteuid()).pw_name


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full"])
def test_descriptors_that_are_closed_or_full(tmp_path: Path, closed: str) -> None:
    (tmp_path / "x.txt").write_text("a\n" * 5)
    shell = f'exec 9>&2; "$0" -m mrmesos cat x.txt {closed}; echo $? >&9'
    seen = run(tmp_path, "sh", "-c", shell, sys.executable)
    assert "Traceback" not in seen.stderr
    if closed == ">/dev/full":
        assert "No space left" in seen.stderr or "cannot be written" in seen.stderr
        assert seen.stderr.splitlines()[-1] == "1"
    else:
        assert seen.stderr.splitlines()[-1] == "0"


@pytest.mark.parametrize(
    ("process", "most"),
    [  # a module costs half a million to two million instructions
        # What submit has imported when it forks its cluster, whose worker then begins to import.
        ("mrmesos.cli.submit, mrmesos.client.local_cluster, mrmesos.access.guard", 390),
        ("mrmesos.cli.submit, mrmesos.client.submission, mrmesos.jobtracker.service", 720),
        ("mrmesos.cli.minimesos, mrmesos.minimesos.http.server", 430),
        ("mrmesos.tasktracker.executor, mrmesos.tasktracker.shell", 520),
        ("mrmesos.worker.__main__, mrmesos.worker.loop", 600),
    ],
)
def test_a_process_imports_few_modules_and_reads_no_certificates(process: str, most: int) -> None:
    words = (
        f"import sys, {process}\n"
        "late = sys.modules.get('aiohttp.connector')\n"
        "contexts = (late._SSL_CONTEXT_VERIFIED, late._SSL_CONTEXT_UNVERIFIED) if late else ()\n"
        "print(len(sys.modules), *(type(each).__name__ for each in contexts))"
    )
    ran = subprocess.run(
        [sys.executable, "-P", "-c", words], capture_output=True, text=True, timeout=100, check=True
    )
    count, *contexts = ran.stdout.split()
    assert set(contexts) <= {"LateContext"}
    assert int(count) <= most, "put off what the process may never need"
