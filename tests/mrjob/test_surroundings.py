"""What options and settings give to mrjob's tasks natively: archives, variables, orders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from mrmesos.client.code.loading import load_target
from mrmesos.client.code.target import parse_target
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.conf import Conf
from tests.mrjob.support import by_mrjob, lines_of, native

pytest.importorskip("mrjob", reason="mrjob is an optional extra: mrmesos[mrjob]")

SCRIPT = '''
import os

from mrjob.compat import jobconf_from_env
from mrjob.job import MRJob
from mrjob.protocol import TextProtocol
from mrjob.step import MRStep


class MRArchive(MRJob):
    ARCHIVES = ["tree.tar.gz#words"]

    def mapper_init(self):
        with open("words/in.txt") as file:
            self.known = file.read().split()

    def mapper(self, _, line):
        for word in line.split():
            yield word, word in self.known


class MRVariables(MRJob):
    def mapper(self, _, line):
        yield "FOO", os.environ.get("FOO")
        yield "setting", jobconf_from_env("my.own.setting")


class MRPerStep(MRJob):
    JOBCONF = {"my.own.setting": "job"}

    def first(self, _, line):
        yield line, [jobconf_from_env("my.own.setting"), jobconf_from_env("my.step")]

    def second(self, line, found):
        yield line, [found, jobconf_from_env("my.own.setting")]

    def steps(self):
        return [
            MRStep(mapper=self.first, reducer=self.pick, jobconf={"my.step": 1}),
            MRStep(mapper=self.second, jobconf={"my.own.setting": "step"}),
        ]

    def pick(self, line, found):
        yield line, list(found)[0]


class MRFields(MRJob):
    """Equal first fields go to one reduce, and keys come by the second one, largest first."""

    INTERNAL_PROTOCOL = OUTPUT_PROTOCOL = TextProtocol
    PARTITIONER = "org.apache.hadoop.mapred.lib.KeyFieldBasedPartitioner"
    JOBCONF = {
        "mapreduce.job.reduces": 3,
        "mapreduce.map.output.key.field.separator": ".",
        "mapreduce.partition.keypartitioner.options": "-k1,1",
        "mapreduce.job.output.key.comparator.class":
            "org.apache.hadoop.mapred.lib.KeyFieldBasedComparator",
        "mapreduce.partition.keycomparator.options": "-k1,1 -k2,2nr",
    }

    def mapper(self, _, line):
        yield line, "1"

    def reducer_init(self):
        self.seen = []

    def reducer(self, key, values):
        self.seen.append(key)

    def reducer_final(self):
        yield "order", " ".join(self.seen)


class MREnds(MRJob):
    """Writes in the end what it has seen, also of an empty file."""

    def mapper_init(self):
        self.lines = 0

    def mapper(self, _, line):
        self.lines += 1

    def mapper_final(self):
        yield "lines", self.lines

    def reducer(self, key, counts):
        yield key, sorted(counts)


class MRFormat(MRJob):
    HADOOP_INPUT_FORMAT = "org.example.Rare"

    def mapper(self, _, line):
        yield line, 1


class MRPairs(MRJob):
    def map_pairs(self, pairs, step_num=0):
        yield "all", len(list(pairs))

    def mapper(self, _, line):
        yield line, 1
'''


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "around_mr.py").write_text(SCRIPT)
    (tmp_path / "in.txt").write_text("one two\nthree\n")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "in.txt").write_text("two three")
    shutil.make_archive(str(tree), "gztar", tree)
    return tmp_path


def run(place: Path, name: str, *words: str, inputs: tuple[str, ...] = ("in.txt",)) -> list[bytes]:
    given = [place / each for each in inputs]
    return lines_of(native(place / "around_mr.py", given, place / f"run-{name}", *words, name=name))


def test_archives(place: Path) -> None:
    assert run(place, "MRArchive") == [b'"one"\tfalse', b'"three"\ttrue', b'"two"\ttrue']


def test_variables_and_settings(place: Path) -> None:
    found = run(place, "MRVariables", "--cmdenv", "FOO=a b", "-D", "my.own.setting=é")
    wanted = [b'"FOO"\t"a b"', b'"setting"\t"\\u00e9"'] * 2
    assert found == sorted(wanted)


def test_settings_of_one_step(place: Path) -> None:
    found = run(place, "MRPerStep")
    assert [json.loads(line.split(b"\t")[1]) for line in found] == [[["job", "1"], "step"]] * 2


def test_partitions_and_order_by_fields_of_keys(place: Path) -> None:
    keys = [f"{word}.{number}" for word in ("a", "b", "c", "d", "e") for number in range(12)]
    (place / "keys.txt").write_text("\n".join(reversed(keys)))
    result = native(
        place / "around_mr.py", [place / "keys.txt"], place / "fields", name="MRFields", maps=2
    )
    parts = [data.decode().split("\t")[1].split() for data in result.files.values() if data]
    words = [sorted({key.split(".")[0] for key in part}) for part in parts]
    assert sorted(word for each in words for word in each) == ["a", "b", "c", "d", "e"]
    for part, own in zip(parts, words, strict=True):
        assert part == [f"{word}.{number}" for word in own for number in range(11, -1, -1)]


def test_an_empty_file_is_mapped_too(place: Path) -> None:
    (place / "empty.txt").touch()
    assert run(place, "MREnds", inputs=("in.txt", "empty.txt")) == [b'"lines"\t[0, 2]']
    by_itself = by_mrjob(place / "around_mr.py", [place / "empty.txt"], name="MREnds")
    shutil.rmtree(place / "run-MREnds")
    assert run(place, "MREnds", inputs=("empty.txt",)) == by_itself == [b'"lines"\t[0]']


def test_a_job_with_loops_of_its_own_is_refused(place: Path) -> None:
    target = parse_target(str(place / "around_mr.py"), "MRPairs")
    with pytest.raises(UsageProblem, match=r"MRPairs has its own map_pairs.*-r hadoop"):
        load_target(target, Conf(), (), [str(place / "in.txt")])


def test_what_has_no_effect_is_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = parse_target(str(place / "around_mr.py"), "MRFormat")
    load_target(target, Conf(), (), [str(place / "in.txt")])
    said = capsys.readouterr()
    assert said.err == (
        "warning: MRFormat: HADOOP_INPUT_FORMAT = org.example.Rare has no effect here\n"
    )
    assert said.out == ""
