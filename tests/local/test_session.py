"""Sessions: jobs one after another on one cluster, whose results are the next one's input."""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest

from mrmesos.api import (
    AsTask,
    Chain,
    HookContext,
    InClient,
    Input,
    Job,
    JobError,
    Mapper,
    Reducer,
    Session,
    Step,
    Sum,
    TextInput,
    TotalOrder,
)
from mrmesos.api.sessions import JobFailed, SessionLost


@dataclass(frozen=True)
class Word:
    text: str


class Words(Mapper):
    def map(self, key: Any, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            yield word, 1


class Count(Job):
    mapper, reducer = Words, Sum


class Same(Job):
    mapper = Mapper


class AsObjects(Mapper):
    def map(self, word: str, count: int) -> Iterator[tuple[Any, Any]]:
        yield (len(word), word), Word(word * count)


class Objects(Job):
    mapper = AsObjects


class Texts(Mapper):
    def map(self, key: tuple[int, str], word: Word) -> Iterator[tuple[str, str]]:
        assert isinstance(key, tuple)
        yield key[1], word.text


class ToTexts(Job):
    mapper = Texts


class Marked(Mapper):
    mark = "one"

    def map(self, key: Any, line: str) -> Iterator[tuple[str, int]]:
        self.context.count("seen", self.mark)
        yield self.mark + self.context.args.suffix, os.getpid()


class Marks(Job):
    mapper = Marked


class Failing(Mapper):
    def map(self, key: Any, line: str) -> None:
        raise KeyError("the wrong word")


class Fails(Job):
    mapper = Failing
    conf: ClassVar = {"map.maxattempts": 1}


class Sleeping(Mapper):
    def map(self, key: Any, line: str) -> None:
        self.context.set_status("asleep")
        time.sleep(600)


class Sleeps(Job):
    mapper = Sleeping


class Keep(Reducer):
    def reduce(self, key: Any, values: Any) -> Iterator[tuple[Any, Any]]:
        yield key, sorted(values)


class Both(Job):
    mapper, reducer = Mapper, Keep
    inputs: ClassVar = {"counted": Input(TextInput()), "lines": Input(TextInput(), Words)}


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session(progress=io.StringIO()) as opened:
        yield opened


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text"
    path.write_text("a rose\nis a rose\n")
    return path


def tree_of(session: Session) -> list[psutil.Process]:
    host = psutil.Process(session.host_pid)
    return [host, *host.children(recursive=True)]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"jobtracker": "http://a:1", "master": "http://b:1"}, "not both"),
        ({"master": "http://b:1"}, "name a directory for the results with work="),
        ({"jobtracker": "http://a:1", "work": "/w", "local_agents": 2}, "local_agents is for"),
        ({"local_agents": 0}, "local_agents is 0, not from 1 to 100"),
        ({"files": ["/no/such/file"]}, "no such file"),
    ],
)
def test_wrong_arguments_start_nothing(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(JobError, match=words):
        Session(**wrong)


@pytest.mark.slow
def test_a_result_is_the_next_ones_input_with_all_types(session: Session, text: Path) -> None:
    counted = session.run(Count, text)
    assert dict(counted.records()) == {"a": 2, "is": 1, "rose": 2}
    assert counted.take(1) == [("a", 2)]
    assert counted.to_arrow().to_pydict() == {"key": ["a", "is", "rose"], "value": [2, 1, 2]}
    assert counted.counters["task"]["MAP_OUTPUT_RECORDS"] == 5
    objects = session.run(Objects, counted)
    assert objects.take(2) == [((1, "a"), Word("aa")), ((2, "is"), Word("is"))]
    assert isinstance(objects.take(1)[0][1], Word)
    words = session.run(ToTexts, [objects, objects], conf={"job.maps": 1})
    assert sorted(words.records())[:2] == [("a", "aa"), ("a", "aa")]
    both = session.run(Both, {"counted": counted, "lines": text})
    assert dict(both.records()) == {"a": [1, 1, 2], "is": [1, 1], "rose": [1, 1, 2]}
    assert "Count: job_" in repr(counted)
    assert "<td>&#x27;rose&#x27;</td><td>2</td>" in counted._repr_html_()
    assert "Both SUCCEEDED" in repr(session)
    assert session._repr_html_().count("<td>SUCCEEDED</td>") == 4


@pytest.mark.slow
def test_a_job_is_pickled_anew_and_its_worker_stays(
    session: Session, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    args = {"suffix": "!"}
    first = session.run(Marks, text, args=args).take(1)[0]
    monkeypatch.setattr(Marked, "mark", "two")
    second = session.run(Marks, text, args=args).take(1)[0]
    job = Marks(argparse.Namespace(suffix="?"))
    third = session.run(job, text)
    job.args.suffix = "."
    fourth = session.run(job, text)
    assert [first[0], second[0], third.take(1)[0][0], fourth.take(1)[0][0]] == [
        *("one!", "two!", "two?", "two."),
    ]
    assert first[1] == second[1] == fourth.take(1)[0][1], "one worker runs all"
    assert fourth.counters["seen"] == {"two": 2}


@pytest.mark.slow
def test_an_output_is_written_in_the_jobs_own_format(
    session: Session, text: Path, tmp_path: Path
) -> None:
    written = session.run(Count, text, tmp_path / "out")
    assert (tmp_path / "out" / "part-r-00000").read_text() == "a\t2\nis\t1\nrose\t2\n"
    assert dict(written.records()) == {"a": "2", "is": "1", "rose": "2"}
    again = session.run(Count, written)  # a file like any other
    assert dict(again.records())["rose"] == 1
    with pytest.raises(JobError, match="output exists already"):
        session.run(Count, text, tmp_path / "out")


@pytest.mark.slow
def test_an_error_names_the_record_and_the_session_goes_on(session: Session, text: Path) -> None:
    with pytest.raises(JobFailed, match=r"(?s)Fails .*KeyError: 'the wrong word'.*text") as failed:
        session.run(Fails, text)
    assert failed.value.error is not None
    assert failed.value.error.record == "'a rose'"
    assert "test_session.py" in failed.value.error.detail
    for job, inputs, words in (
        (Count, text.with_name("none"), "input does not exist"),
        (Count, [], "is empty; name files or results"),
        (Count, {"a": text}, "give no dict"),
        (Both, text, "give a dict with counted, lines"),
        (int, text, "not a subclass of"),
    ):
        with pytest.raises(JobError, match=words):
            session.run(job, inputs)  # type: ignore[arg-type]
    with pytest.raises(JobError, match="needs 1,000 CPUs"):
        session.run(Count, text, conf={"map.cpus": 1000})
    assert session.run(Count, text).take(1) == [("a", 2)]


@pytest.mark.slow
def test_threads_run_jobs_at_once(session: Session, text: Path) -> None:
    found: list[list[Any]] = []
    threads = [
        threading.Thread(target=lambda: found.append(session.run(Count, text).take(9)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [[("a", 2), ("is", 1), ("rose", 2)]] * 3


@pytest.mark.slow
class Sorted(Job):
    mapper, reducer, partitioner, num_reducers = AsObjects, Reducer, TotalOrder, 2


class Line(Chain):
    steps: ClassVar = [Count, Sorted]


class Fork(Chain):
    steps: ClassVar = {"sorted": Step(Sorted, "counts"), "same": Step(Same, "counts")}


@pytest.mark.slow
def test_a_chain_is_one_run(session: Session, text: Path, tmp_path: Path) -> None:
    done = session.run(Line, text)
    assert done.take(3) == [
        ((1, "a"), Word("aa")),
        ((2, "is"), Word("is")),
        ((4, "rose"), Word("roserose")),
    ]
    assert session.run(ToTexts, done).take(1) == [("a", "aa")]
    counted = session.run(Count, text)
    both = session.run(Fork, {"counts": counted})
    assert dict(both.steps["same"].records()) == {"a": 2, "is": 1, "rose": 2}
    assert both.steps["sorted"].take(1) == done.take(1)
    place = Path(both.uri.removeprefix("file://"))
    same, _ = both.steps["same"], both
    del both, _
    session.run(Count, text)
    assert dict(same.records())["is"] == 1, "it is still of use"
    del same
    session.run(Count, text)
    assert not list(place.iterdir())
    session.run(Fork, {"counts": counted}, output=tmp_path / "out")
    assert (tmp_path / "out" / "same" / "part-m-00000").read_text().startswith("a\t2\n")
    with pytest.raises(JobError, match="Fork reads 'counts': give a dict with these names"):
        session.run(Fork, text)


@pytest.mark.slow
def test_hooks_of_a_chain_in_a_session(session: Session, text: Path, tmp_path: Path) -> None:
    seen: list[str] = []

    def note(context: HookContext) -> None:
        seen.append(context.output)

    def on_agent(context: HookContext) -> None:
        (tmp_path / "noted").write_text(context.chain)

    def broken(context: HookContext) -> None:
        raise ValueError("not today")

    done = session.run(
        type("Noted", (Line,), {"before": InClient(note), "after": AsTask(on_agent)}), text
    )
    assert seen == [done.uri]
    assert (tmp_path / "noted").read_text() == "Noted"
    for hook in (InClient(broken), AsTask(broken)):
        with pytest.raises(JobFailed, match="not today"):
            session.run(type("Broken", (Line,), {"before": hook}), text)


def test_the_data_of_a_result_goes_with_it(session: Session, text: Path) -> None:
    counted = session.run(Count, text)
    place = Path(counted.uri.removeprefix("file://"))
    assert place.is_dir()
    del counted
    session.run(Count, text)
    assert not place.exists()


INTERRUPTED = """\
import os, signal, sys, threading, time
from mrmesos.api import Job, Mapper, Session

class Sleeping(Mapper):
    def map(self, key, line):
        print("asleep", flush=True)
        time.sleep(600)

class Sleeps(Job):
    mapper = Sleeping

class Same(Job):
    mapper = Mapper

def main(text, mark):
    with Session() as s:
        print(s.host_pid, s.run(Same, text).uri, flush=True)
        if mark == "interrupt":
            def interrupt():
                while not s.running:
                    time.sleep(0.01)
                os.kill(os.getpid(), signal.SIGINT)
            threading.Thread(target=interrupt).start()
            try:
                s.run(Sleeps, text)
            except KeyboardInterrupt:
                print("interrupted", s.run(Same, text).take(1), repr(s), flush=True)
        elif mark == "fork":
            if not os.fork():
                try:
                    s.run(Same, text)
                except Exception as problem:
                    print(problem, flush=True)
                time.sleep(600)
            os.wait3(os.WNOHANG)
            s.run(Sleeps, text)
        else:
            s.run(Sleeps, text)

main(*sys.argv[1:])
"""


def started(tmp_path: Path, text: Path, mark: str) -> tuple[subprocess.Popen[str], int, Path]:
    """A program with a session. Returns it, its host's pid, and the directory of its results."""
    script = tmp_path / "program.py"
    script.write_text(INTERRUPTED)
    process = subprocess.Popen(
        [sys.executable, str(script), str(text), mark], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    pid, uri = process.stdout.readline().split()
    return process, int(pid), Path(uri.removeprefix("file://")).parent


def gone(pids: list[int], seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(psutil.pid_exists(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.slow
def test_an_interrupt_kills_the_job_and_not_the_session(tmp_path: Path, text: Path) -> None:
    process, _, data = started(tmp_path, text, "interrupt")
    said, _ = process.communicate(timeout=120)
    assert said.startswith("interrupted [(0, 'a rose')] <Session local, open, 3 jobs"), said
    assert process.returncode == 0
    assert not data.exists()


@pytest.mark.slow
def test_nothing_is_left_of_a_killed_program_that_has_forked(tmp_path: Path, text: Path) -> None:
    process, pid, data = started(tmp_path, text, "fork")
    assert process.stdout is not None
    said = process.stdout.readline()
    [child] = [each for each in psutil.Process(process.pid).children() if each.pid != pid]
    try:
        assert "the session belongs to the process that made it" in said
        process.terminate()
        process.wait(30)
        assert gone([pid])
        assert not data.exists()
    finally:
        child.kill()


@pytest.mark.slow
def test_a_session_says_when_its_cluster_is_gone_and_when_it_has_ended(text: Path) -> None:
    session = Session(progress=io.StringIO())
    same = session.run(Same, text)
    pids = [each.pid for each in tree_of(session)]
    psutil.Process(session.host_pid).kill()
    with pytest.raises(SessionLost, match="the session's cluster has ended"):
        session.run(Same, same)
    session.close()
    with pytest.raises(JobError, match="the session has ended, and its results with it"):
        same.take(1)
    with pytest.raises(JobError, match="make another one"):
        session.run(Same, text)
    assert "ended, 2 jobs" in repr(session)
    assert gone(pids)


@pytest.mark.slow
def test_a_session_that_is_garbage_ends() -> None:
    session = Session(progress=io.StringIO())
    pids = [each.pid for each in tree_of(session)]
    assert len(pids) > 1
    del session
    assert gone(pids)
