"""The command as users run it: processes, signals, files. Afterwards nothing is left."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

DEADLINE = 90.0
WORDCOUNT = """
import sys, time
from mrmesos.api import Job, Mapper, Reducer

class Tokenize(Mapper):
    def setup(self):
        self.pause = float(self.context.params.get("pause", "0"))

    def map(self, key, line):
        time.sleep(self.pause)
        for word in line.split():
            if word == self.context.params.get("poison"):
                print("about to fail", file=sys.stderr)
                raise ValueError("a poisoned word")
            yield word, 1

class Total(Reducer):
    def reduce(self, word, counts):
        yield word, sum(counts)

class WordCount(Job):
    mapper, combiner, reducer = Tokenize, Total, Total
"""
TEXT = "the quick brown fox\njumps over the lazy dog\nthe end\n" * 20


def wait_until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"timed out waiting for {what}"
        time.sleep(0.02)


class House:
    """A directory that identifies all processes that a test starts."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.started: list[subprocess.Popen[str]] = []
        (directory / "tmp").mkdir()
        (directory / "wc.py").write_text(WORDCOUNT)
        (directory / "in.txt").write_text(TEXT)
        self.environment = {
            **{name: text for name, text in os.environ.items() if name != "MRMESOS_JOBTRACKER_URL"},
            "TMPDIR": str(directory / "tmp"),
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "mrmesos", *arguments],
            cwd=self.directory,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def submit(self, *more: str, output: str = "out") -> subprocess.Popen[str]:
        files = ("--input", "in.txt", "--output", output)
        return self.start("submit", "wc.py", *files, *more)

    def counts(self, output: str = "out") -> Counter[str]:
        counts: Counter[str] = Counter()
        assert (self.directory / output / "_SUCCESS").exists()
        for part in (self.directory / output).glob("part-*"):
            for line in part.read_text().splitlines():
                word, number = line.split("\t")
                counts[word] += int(number)
        return counts

    def processes(self) -> list[str]:
        """Short names and command lines of the live processes that were started from here."""
        mark, found = str(self.directory).encode(), []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                if mark in (entry / "environ").read_bytes():
                    words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    found.append(f"{(entry / 'comm').read_text().strip()} {words}")
            except OSError:
                continue
        return found

    def is_clean(self) -> bool:
        return not self.processes() and not list((self.directory / "tmp").glob("minimesos*"))

    def mapping(self) -> bool:
        """Whether any attempt has a directory in a sandbox."""
        return any((self.directory / "tmp").rglob("attempt_*"))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    for process in house.started:
        if process.poll() is None:
            process.kill()
        process.communicate()
    wait_until(house.is_clean, f"the end of {house.processes()}")


def test_a_local_job_with_a_report(house: House) -> None:
    more = ("--report", "r.json", "--local-agents", "2", "-D", "job.maps=4", "-D", "job.reduces=2")
    process = house.submit(*more)
    stdout, stderr = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, stderr
    assert house.is_clean(), house.processes()
    assert house.counts() == Counter(TEXT.split())
    assert stdout == "", "nothing was asked for"
    assert re.search(r"^job_\d+_0001 SUCCEEDED in [\d.]+ s: file:///", stderr, re.MULTILINE)
    assert re.search(r"MAP_INPUT_RECORDS +60$", stderr, re.MULTILINE)
    assert "maps 4/4  reduces 2/2" in stderr
    assert re.search(r"^page: http://127\.0\.0\.1:\d+/ui/login\?ticket=\S+$", stderr, re.MULTILINE)
    report = json.loads((house.directory / "r.json").read_text())
    assert (report["state"], len(report["attempts"])) == ("SUCCEEDED", 6)
    assert {row["state"] for row in report["attempts"]} == {"SUCCEEDED"}
    assert list((house.directory / "tmp").iterdir()) == []
    listed, _ = house.start("job", "attempts", report["job_id"]).communicate(timeout=DEADLINE)
    assert len(re.findall(r"^attempt_\S+  SUCCEEDED ", listed, re.MULTILINE)) == 6


def test_a_failing_job_shows_its_first_error(house: House) -> None:
    process = house.submit("-D", "poison=lazy", "-D", "map.maxattempts=1")
    stdout, stderr = process.communicate(timeout=DEADLINE)
    assert process.returncode == 1
    assert house.is_clean()
    assert not (house.directory / "out").exists()
    assert stdout == ""
    assert re.search(r"^job_\d+_0001 FAILED in ", stderr, re.MULTILINE)
    assert "error: ValueError: a poisoned word" in stderr
    assert "in.txt" in stderr
    assert "line 14, in map" in stderr
    log = re.search(r"log: +mrmesos (job logs \S+)$", stderr, re.MULTILINE)
    assert log is not None
    printed, _ = house.start(*log[1].split(), "--stream", "stderr").communicate(timeout=DEADLINE)
    assert "about to fail" in printed
    assert list((house.directory / "tmp").iterdir()) == []


MODULE = """
import dataclasses, functools, multiprocessing, typing
from mrmesos.api import Job, Mapper, Reducer

class Word(typing.NamedTuple):
    text: str
    length: int

@dataclasses.dataclass
class Seen:
    times: int

@functools.lru_cache
def word(text):
    return Word(text, len(text))

@functools.singledispatch
def one(text):
    return Seen(1)

class Words(Mapper):
    def map(self, key, line):
        with multiprocessing.get_context("forkserver").Pool(2) as pool:
            for each in pool.map(word, line.split()):
                yield each, one(each)

class Total(Reducer):
    def reduce(self, word, seen):
        assert type(word) is Word and word.length == len(word.text)
        yield word.text, sum(each.times for each in seen)

class Count(Job):
    mapper, reducer = Words, Total
"""


@pytest.mark.parametrize("name", ["words.py", "my-words.py", "random.py"])
def test_whatever_looks_names_of_the_script_up_finds_them(house: House, name: str) -> None:
    script = house.directory / "scripts" / name
    script.parent.mkdir()
    for hidden in ("six.py", "aiohttp.py", "kazoo/__init__.py", "select.py", "numpy.py"):
        (script.parent / hidden).parent.mkdir(exist_ok=True)
        (script.parent / hidden).write_text("raise SystemError('imported by mrmesos')\n")
    script.write_text(MODULE)
    files = ("--input", "in.txt", "--output", "out", "-D", "job.reduces=2")
    (house.directory / "in.txt").write_text("a rose\nis a rose\n")
    process = house.start("submit", str(script), *files)
    _, stderr = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, stderr
    assert house.counts() == Counter(["a", "rose", "is", "a", "rose"])
    assert house.is_clean(), house.processes()


def test_texts_that_are_no_unicode_come_through(house: House) -> None:
    script = WORDCOUNT.replace('"a poisoned word"', '"caf\\udce9"')
    counting = "self.context.count('names', 'caf\\udce9'); yield word, 1"
    script = script.replace("yield word, 1", counting)
    (house.directory / "wc.py").write_text(script)
    _, stderr = house.submit().communicate(timeout=DEADLINE)
    assert re.search(r"^ +caf\\udce9 +220$", stderr, re.MULTILINE), stderr
    _, stderr = house.submit("-D", "poison=lazy", output="more").communicate(timeout=DEADLINE)
    assert "error: ValueError: caf\\udce9" in stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_kills_the_job_and_leaves_nothing(house: House, number: signal.Signals) -> None:
    process = house.submit("-D", "pause=60")
    wait_until(house.mapping, "the job to start")
    process.send_signal(number)
    _, stderr = process.communicate(timeout=DEADLINE)
    assert process.returncode == 1
    assert house.is_clean(), house.processes()
    assert not (house.directory / "out").exists()
    assert f"{number.name}: killing job_" in stderr
    assert "Traceback" not in stderr


def test_signals_at_any_moment_leave_nothing(house: House) -> None:
    for number in range(8):
        process = house.submit("-D", "pause=60", output=f"out{number}")
        time.sleep(0.05 + 0.2 * number)  # only varies the moment; nothing depends on it
        process.send_signal(signal.SIGINT)
        if number % 2:
            time.sleep(0.1)
            process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=DEADLINE)
        assert process.returncode in (1, -signal.SIGINT), stderr
        assert not (house.directory / f"out{number}").exists(), (number, stderr)
        wait_until(house.is_clean, "no process to be left")


def test_when_the_command_is_killed_everything_goes(house: House) -> None:
    process = house.submit("-D", "pause=60")
    wait_until(lambda: any("tasktracker" in line for line in house.processes()), "a TaskTracker")
    process.kill()
    process.communicate()
    wait_until(house.is_clean, "no process to be left")


def test_two_submissions_share_a_mesos(house: House) -> None:
    mesos = house.start("minimesos", "--port", "0", "--announce", "master")
    wait_until((house.directory / "master").exists, "minimesos")
    master = (house.directory / "master").read_text().strip()
    both = [house.submit("--master", master, output=f"out{n}") for n in range(2)]
    for number, process in enumerate(both):
        _, stderr = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0, stderr
        assert house.counts(f"out{number}") == Counter(TEXT.split())
    wait_until(
        lambda: not any("mrmesos.tasktracker" in line for line in house.processes()),
        "TaskTrackers to end",
    )
    mesos.send_signal(signal.SIGTERM)
    mesos.communicate(timeout=DEADLINE)
    assert house.is_clean(), house.processes()


def test_a_jobtracker_holds_many_jobs_and_kills_one(house: House) -> None:
    mesos = house.start("minimesos", "--port", "0", "--announce", "master")
    wait_until((house.directory / "master").exists, "minimesos")
    master = (house.directory / "master").read_text().strip()
    service = house.start("jobtracker", "--master", master, "--port", "0")
    assert service.stdout is not None
    url = service.stdout.readline().split()[-1]
    asked = ("--jobtracker", url)
    slow = house.submit("--detach", *asked, "-D", "pause=60", output="slow")
    slow_id = slow.communicate(timeout=DEADLINE)[0].strip()
    wait_until(house.mapping, "the slow job")
    others = [house.submit(*asked, output=f"out{n}") for n in range(2)]
    listed = house.start("job", "list", *asked, "--json").communicate(timeout=DEADLINE)[0]
    assert slow_id in {job["job_id"] for job in json.loads(listed)}
    house.start("job", "kill", slow_id, *asked).communicate(timeout=DEADLINE)
    waited = house.start("job", "wait", slow_id, *asked, "--timeout", "5")
    assert "KILLED" in waited.communicate(timeout=DEADLINE)[0]
    assert waited.returncode == 1
    assert not (house.directory / "slow").exists()
    for number, other in enumerate(others):
        _, stderr = other.communicate(timeout=DEADLINE)
        assert other.returncode == 0, stderr
        assert house.counts(f"out{number}") == Counter(TEXT.split())
    service.send_signal(signal.SIGTERM)
    service.communicate(timeout=DEADLINE)
    assert service.returncode == 0
    mesos.send_signal(signal.SIGTERM)
    mesos.communicate(timeout=DEADLINE)
    assert house.is_clean(), house.processes()
