"""Protocols, files, arguments, counters and orders of MRJobs that run natively."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mrmesos.client.code.loading import load_target
from mrmesos.client.code.target import parse_target
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.conf import Conf
from tests.mrjob.support import by_mrjob, lines_of, native

pytest.importorskip("mrjob", reason="mrjob is an optional extra: mrmesos[mrjob]")

SCRIPT = '''
import json
from mrjob.job import MRJob
from mrjob.protocol import JSONValueProtocol, PickleProtocol, RawProtocol, ReprProtocol
from mrjob.step import MRStep


class Base(MRJob):
    """Keys and values that JSON changes, and each hook."""

    def configure_args(self):
        super().configure_args()
        self.add_passthru_arg("--least", type=int, default=1)
        self.add_file_arg("--stop")

    def mapper_init(self):
        self.lines = 0
        self.stop = set()
        if self.options.stop:
            with open(self.options.stop) as file:
                self.stop = set(file.read().split())

    def mapper(self, _, line):
        self.lines += 1
        self.set_status("line %d" % self.lines)
        for word in line.split():
            if word in self.stop:
                self.increment_counter("words", "stopped, or so")
                continue
            yield word, 1
            yield (word[0], len(word)), {"n": 1}
            yield len(word), 1.5
            yield None, None

    def mapper_final(self):
        yield "lines", self.lines

    def total(self, key, values):
        values = list(values)
        assert not isinstance(key, tuple)
        if isinstance(key, list):
            yield key, {"n": sum(value["n"] for value in values)}
        elif key is None:
            yield None, None
        else:
            yield key, sum(values)


class MRAll(Base):
    def combiner(self, key, values):
        yield from self.total(key, values)

    def reducer_init(self):
        self.keys = 0

    def reducer(self, key, values):
        self.keys += 1
        for k, v in self.total(key, values):
            if not isinstance(v, (int, float)) or v >= self.options.least:
                yield k, v

    def reducer_final(self):
        self.increment_counter("keys", "all", self.keys)


class MRPlain(Base):
    def reducer(self, key, values):
        yield from self.total(key, values)


class MRPickle(MRAll):
    INTERNAL_PROTOCOL = PickleProtocol
    OUTPUT_PROTOCOL = ReprProtocol

    def total(self, key, values):
        values = list(values)
        yield key, values[0] if isinstance(values[0], (dict, type(None))) else sum(values)


class MRSteps(Base):
    OUTPUT_PROTOCOL = JSONValueProtocol

    def swap(self, key, value):
        yield value if isinstance(value, int) else -1, key

    def most(self, count, keys):
        yield None, [count, sorted(map(json.dumps, keys))]

    def steps(self):
        return [
            MRStep(mapper_init=self.mapper_init, mapper=self.mapper,
                   mapper_final=self.mapper_final, combiner=self.total, reducer=self.total),
            MRStep(mapper=self.swap, reducer=self.most),
            MRStep(mapper=lambda _, value: [(None, value)]),
        ]


class MRSorted(MRJob):
    SORT_VALUES = True

    def mapper(self, _, line):
        for number, word in enumerate(line.split()):
            yield word[0], [word, number]

    def reducer(self, key, values):
        yield key, [word for word, _ in values]


class MRCommands(MRJob):
    def mapper_cmd(self):
        return "tr ' ' '\\\\n'"

    def combiner_cmd(self):
        return "uniq"

    def reducer_cmd(self):
        return "sort -u"


class MRFiltered(MRJob):
    def mapper_pre_filter(self):
        return "grep -v jumps"

    def mapper(self, _, line):
        for word in line.split():
            yield word, 1

    def combiner_pre_filter(self):
        return "cat"

    def combiner(self, key, values):
        yield key, sum(values)

    def reducer_pre_filter(self):
        return "grep -v fox"

    def reducer(self, key, values):
        yield key, sum(values)


class MRRaw(MRJob):
    def mapper_raw(self, path, uri):
        with open(path, "rb") as file:
            yield uri.rpartition("/")[2], len(file.read())


class MRUploads(MRJob):
    FILES = ["some.txt"]
    DIRS = ["folder"]

    def mapper(self, _, line):
        with open("some.txt") as one, open("folder/in.txt") as other:
            yield one.read() + other.read(), 1


class MRNothing(MRJob):
    pass


class MRJar(MRJob):
    def steps(self):
        from mrjob.step import JarStep
        return [JarStep(jar="x.jar")]
'''
TEXT = "the quick brown fox\njumps over\tthe lazy d\u00f8g\n\nthe end\r\n" * 3


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "chained_mr.py").write_text(SCRIPT)
    (tmp_path / "in.txt").write_text(TEXT)
    (tmp_path / "stop.txt").write_text("the lazy")
    (tmp_path / "some.txt").write_text("a")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "in.txt").write_text("b")
    return tmp_path


def script(place: Path) -> Path:
    return place / "chained_mr.py"


@pytest.mark.parametrize("name", ["MRAll", "MRPlain", "MRPickle", "MRSteps", "MRSorted"])
def test_the_same_as_by_mrjob(place: Path, name: str) -> None:
    words = () if name == "MRSorted" else ("--stop", str(place / "stop.txt"))
    found = native(script(place), [place / "in.txt"], place / "run", *words, name=name)
    assert lines_of(found) == by_mrjob(script(place), [place / "in.txt"], *words, name=name)


def test_counters_status_and_arguments(place: Path) -> None:
    words = ("--stop", str(place / "stop.txt"), "--least", "3")
    found = native(script(place), [place / "in.txt"], place / "run", *words, name="MRAll")
    assert found.counters["words"] == {"stopped; or so": 12}
    assert found.counters["keys"]["all"] > 5
    lines = lines_of(found)
    assert b'"quick"\t3' in lines
    assert b'"lines"\t12' in lines
    assert all(json.loads(line.split(b"\t")[1]) != 1 for line in lines)


def test_commands(place: Path) -> None:
    found = native(script(place), [place / "in.txt"], place / "run", name="MRCommands", reduces=1)
    words = {word.encode() for word in TEXT.replace("\r\n", "\n").replace("\n", " ").split(" ")}
    assert [line.rstrip(b"\t") for line in lines_of(found)] == sorted(words)


def test_filters(place: Path) -> None:
    found = native(script(place), [place / "in.txt"], place / "run", name="MRFiltered")
    expected = {"the": 6, "quick": 3, "brown": 3, "end": 3}
    assert (
        dict(map(json.loads, (b"[%s]" % line.replace(b"\t", b",") for line in lines_of(found))))
        == expected
    )


def test_raw_files_and_uploads(place: Path) -> None:
    (place / "two.txt").write_text("1234")
    both = [place / "in.txt", place / "two.txt"]
    found = native(script(place), both, place / "raw", name="MRRaw")
    size = (place / "in.txt").stat().st_size
    assert lines_of(found) == [b'"in.txt"\t%d' % size, b'"two.txt"\t4']
    here = os.getcwd()  # noqa: PTH109 (what must be as before)
    found = native(script(place), [place / "two.txt"], place / "uploads", name="MRUploads")
    assert lines_of(found) == [b'"ab"\t1']
    assert os.getcwd() == here  # noqa: PTH109


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("MRNothing", (), "chained_mr.py: MRNothing has no steps: define a mapper or a reducer"),
        ("MRJar", (), "chained_mr.py: MRJar: step 1 is a jar step, which needs Java or Spark"),
        ("MRAll", ("--nix",), "chained_mr.py: "),
        ("MRAll", ("--least", "x"), "chained_mr.py: "),
        (
            "MRAll",
            ("--jobconf", "mapred.partitioner.class=org.X"),
            "chained_mr.py: MRAll: -partitioner org.X: mrmesos has HashPartitioner",
        ),
    ],
)
def test_mistakes_are_told(place: Path, name: str, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        load_target(parse_target(str(script(place)), name), Conf(), words, [str(place / "in.txt")])
    assert caught.value.message.startswith(message)
    assert "\n" not in caught.value.message


def test_a_missing_mrjob_is_told(place: Path) -> None:
    (place / "without_mr.py").write_text("raise ModuleNotFoundError('no', name='mrjob')\n")
    with pytest.raises(UsageProblem) as caught:
        load_target(parse_target(str(place / "without_mr.py")), Conf(), ())
    assert caught.value.message == (
        "without_mr.py: needs mrjob, which is not installed: pip install 'mrmesos[mrjob]'"
    )
