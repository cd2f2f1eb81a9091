"""Whole streaming jobs, in one process: against shell pipelines and plain Python."""

from __future__ import annotations

import gzip
import random
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from mrmesos.local.run_job import run_job
from mrmesos.streaming.child import ChildFailed
from mrmesos.streaming.environment import OUTPUT_DIR
from tests.streaming.support import PYTHON, job_class, lines, script

TEXT = [f"w{index % 7} w{index % 3} shared" for index in range(2_000)]
WORDS = Counter(word for line in TEXT for word in line.split())
SPLIT = "import sys\nfor line in sys.stdin:\n    for w in line.split(): print(w, 1, sep='\\t')\n"
TOTAL = """import sys
from itertools import groupby
for word, group in groupby(sys.stdin, key=lambda line: line.split('\\t')[0]):
    print(word, sum(int(line.split('\\t')[1]) for line in group), sep='\\t')
"""


@pytest.mark.parametrize("combined", [False, True])
def test_word_count(tmp_path: Path, combined: bool) -> None:
    mapper, reducer = script(tmp_path, "m.py", SPLIT), script(tmp_path, "r.py", TOTAL)
    more = ("-combiner", "r.py") if combined else ()
    job = job_class("-mapper", "m.py", "-reducer", "r.py", *more)
    files = {"m.py": mapper, "r.py": reducer}
    result = run_job(job, TEXT, splits=3, num_reducers=2, files=files)
    wanted = sorted((word.encode(), b"%d" % count) for word, count in WORDS.items())
    assert sorted(lines(result.records)) == wanted
    assert result.counters["task"]["MAP_OUTPUT_RECORDS"] == 6_000


def test_awk_and_perl() -> None:
    mapper = "awk '{for (i = 1; i <= NF; i++) print $i \"\\t\" 1}'"
    reducer = "perl -F'\\t' -lane '$n{$F[0]} += $F[1]; END {print \"$_\\t$n{$_}\" for keys %n}'"
    result = run_job(job_class("-mapper", mapper, "-reducer", reducer), TEXT, splits=2)
    wanted = sorted((word.encode(), b"%d" % count) for word, count in WORDS.items())
    assert sorted(lines(result.records)) == wanted


def test_secondary_sort_as_gnu_sort(tmp_path: Path) -> None:
    rng = random.Random(4)
    given = [f"k{rng.randrange(20)}\t{rng.uniform(-9, 9):.3f}\tv{index}" for index in range(500)]
    job = job_class(
        *("-mapper", "cat", "-reducer", "cat"),
        *("-D", "stream.num.map.output.key.fields=2"),
        *(
            "-D",
            "mapred.output.key.comparator.class=org.apache.hadoop.mapred.lib.KeyFieldBasedComparator",
        ),
        *("-D", "mapred.text.key.comparator.options=-k1,1 -k2,2nr"),
        *("-partitioner", "org.apache.hadoop.mapred.lib.KeyFieldBasedPartitioner"),
        *("-D", "mapred.text.key.partitioner.options=-k1,1"),
    )
    result = run_job(job, given, splits=3, num_reducers=3)
    sort = ["sort", "--stable", "-t", "\t", "-k1,1", "-k2,2nr"]
    parts = [part for part in result.files.values() if part]
    assert len(parts) == 3
    assert sorted(b"".join(parts).splitlines()) == sorted(line.encode() for line in given)
    for part in parts:
        made = subprocess.run(
            sort, input=part, capture_output=True, env={"LC_ALL": "C"}, check=True
        )
        assert part == made.stdout


def test_each_file_has_a_child_that_knows_it(tmp_path: Path) -> None:
    tell = script(
        tmp_path,
        "tell.py",
        "import os, sys\nname = os.environ['mapreduce_map_input_file'].rpartition('/')[2]\n"
        "assert os.environ['map_input_file'] == os.environ['mapreduce_map_input_file']\n"
        "print(name, len(sys.stdin.readlines()), sep='\\t')\n",
    )
    job = job_class("-mapper", "tell.py", "-numReduceTasks", "0")
    inputs = {"a.txt": "1\n2\n", "b.txt": "3\n", "c.txt": "4\n5\n6\n"}
    result = run_job(job, inputs, splits=1, files={"tell.py": tell})
    assert sorted(lines(result.records)) == [(b"a.txt", b"2"), (b"b.txt", b"1"), (b"c.txt", b"3")]


def test_some_lines_a_child() -> None:
    job = job_class(
        *("-mapper", "wc -l", "-inputformat", "NLineInputFormat", "-numReduceTasks", "0"),
        *("-D", "mapreduce.input.lineinputformat.linespermap=4"),
    )
    result = run_job(job, ["x"] * 10, splits=1)
    assert len(result.files) == 3  # a map for each
    assert [key.strip() for key, _ in lines(result.records)] == [b"4", b"4", b"2"]


def test_a_mapper_sees_the_key_of_other_formats() -> None:
    job = job_class("-mapper", "cat", "-inputformat", "NLineInputFormat", "-numReduceTasks", "0")
    assert lines(run_job(job, ["x", "y"], splits=1).records) == [(b"0", b"x"), (b"2", b"y")]


def test_the_environment(tmp_path: Path) -> None:
    names = [
        "mapreduce_task_attempt_id",
        "mapred_task_id",
        "my_own_name",
        "LANGUAGE",
        "mapred_reduce_tasks",
        "mapreduce_task_output_dir",
    ]
    code = f"import os\nfor n in {names!r}: print(n, os.environ[n], sep='\\t')"
    job = job_class(
        *("-mapper", f"{PYTHON} env.py", "-reducer", "NONE", "-cmdenv", "LANGUAGE=klingon"),
        *(
            "-D",
            "my.own-name=value",
            "-D",
            "mapred.reduce.tasks=0",
            "-D",
            f"{OUTPUT_DIR}=file:///out",
        ),
    )
    path = tmp_path / "env.py"
    path.write_text(code)
    found = dict(lines(run_job(job, ["x"], splits=1, files={"env.py": path}).records))
    assert found[b"mapreduce_task_attempt_id"] == found[b"mapred_task_id"]
    assert found[b"my_own_name"] == b"value"
    assert found[b"LANGUAGE"] == b"klingon"
    assert found[b"mapred_reduce_tasks"] == b"0"
    attempt = found[b"mapred_task_id"]
    assert found[b"mapreduce_task_output_dir"] == b"/out/_temporary/" + attempt


@pytest.mark.parametrize(
    ("words", "counted"),
    [
        ((), {"mine": {"usual": 1}}),
        (("-D", "stream.stderr.reporter.prefix=rep:"), {"mine": {"own": 2}}),
        (("-D", "stream.stderr.reporter.enabled=false"), {}),
    ],
)
def test_which_lines_of_stderr_count(
    tmp_path: Path, words: tuple[str, ...], counted: dict[str, dict[str, int]]
) -> None:
    code = (
        "import sys\nsys.stdin.read()\n"
        "sys.stderr.write('reporter:counter:mine,usual,1\\nrep:counter:mine,own,2\\n')"
    )
    mapper = script(tmp_path, "m.py", code)
    job = job_class("-mapper", "m.py", "-numReduceTasks", "0", *words)
    counters = run_job(job, ["x"], splits=1, files={"m.py": mapper}).counters
    assert {name: counters[name] for name in counters if name == "mine"} == counted


def test_variables_of_maps_and_of_reduces(tmp_path: Path) -> None:
    show = "sh -c 'echo $KIND:$BOTH:$MORE'"
    job = job_class(
        *("-mapper", show, "-reducer", f"sh -c 'cat; {show[7:-1]}'"),
        *("-D", "mapred.child.env=KIND=child,BOTH=$GIVEN:b"),
        *("-D", "mapred.map.child.env=KIND=map,BOTH=,MORE=$KIND/x"),
        *("-D", "mapreduce.reduce.env.MORE=m", "-cmdenv", "GIVEN=g"),
    )
    found = [key for key, _ in lines(run_job(job, ["x"], splits=1, num_reducers=1).records)]
    assert found == [b"map::map/x", b"child::b:m"]


def test_a_long_setting_does_not_keep_a_program_from_its_start() -> None:
    code = "import os; print(len(os.environ['a_b']), len(os.environ['mapreduce_job_maps']))"
    words = ("-numReduceTasks", "0", "-D", f"a.b={'x' * 200_000}")
    job = job_class("-mapper", f'{PYTHON} -c "{code}"', *words)
    assert lines(run_job(job, ["x"], splits=1).records)[0][0] == b"30000 1"
    job = job_class(
        "-mapper", f'{PYTHON} -c "{code}"', *words, "-D", "stream.jobconf.truncate.limit=7"
    )
    assert lines(run_job(job, ["x"], splits=1).records)[0][0] == b"7 1"


def test_part_files_have_the_names_of_hadoop_streaming() -> None:
    for more in ((), ("-numReduceTasks", "0")):
        result = run_job(job_class("-mapper", "cat", *more), ["x"], splits=1)
        assert list(result.files) == ["part-00000"]


def test_no_secret_of_the_engine_reaches_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MRMESOS_TOKEN", "hidden-token")
    monkeypatch.setenv("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", "hidden-token")
    result = run_job(job_class("-mapper", "env", "-numReduceTasks", "0"), ["x"], splits=1)
    assert not [key for key, _ in lines(result.records) if b"hidden-token" in key]


def test_aggregate() -> None:
    mapper = (
        'awk \'{print "LongValueSum:n\\t1"; print "UniqValueCount:words\\t" $1; '
        'print "LongValueMax:m\\t" NR; print "ValueHistogram:h\\t" $2}\''
    )
    job = job_class("-mapper", mapper, "-reducer", "aggregate")
    found = dict(lines(run_job(job, TEXT, splits=2).records))
    assert found[b"n"] == b"2000"
    assert found[b"words"] == b"7"
    assert found[b"h"].split(b"\t")[:4] == [b"3", b"666", b"667", b"667"]


def test_a_key_without_a_function_is_named() -> None:
    job = job_class("-mapper", "cat", "-reducer", "aggregate")
    with pytest.raises(ValueError, match="LongValueSum"):
        run_job(job, ["oops\t1"], splits=1)


def test_identity_sorts_by_offset() -> None:
    result = run_job(job_class(), TEXT[:50], splits=3)
    offsets = [key for key, _ in result.records]
    assert offsets == sorted(offsets)
    assert [value for _, value in lines(result.records)] == [line.encode() for line in TEXT[:50]]


def test_keys_sort_by_bytes_and_any_bytes_pass() -> None:
    given = b"\xff\xfe\t1\n\x00\t2\nZ\t3\na\t4\n\xc3\xa9\t5\n"
    result = run_job(job_class("-mapper", "cat", "-reducer", "cat"), {"in": given}, splits=1)
    assert [key for key, _ in lines(result.records)] == [
        b"\x00",
        b"Z",
        b"a",
        b"\xc3\xa9",
        b"\xff\xfe",
    ]


def test_bytes_of_any_encoding_pass_untouched() -> None:
    data = "h\u0117 \u4e2d\r\n\n".encode("utf-16") + b"caf\xe9 \x80\x00\x01\n"
    result = run_job(job_class("-mapper", "cat", "-reducer", "NONE"), {"in": data}, splits=1)
    (part,) = result.files.values()
    assert part == data.replace(b"\r\n", b"\n")


def test_compressed_input(tmp_path: Path) -> None:
    path = tmp_path / "in.gz"
    path.write_bytes(gzip.compress("\n".join(TEXT).encode()))
    result = run_job(job_class("-mapper", "wc -l", "-numReduceTasks", "0"), [path])
    assert [key.strip() for key, _ in lines(result.records)] == [b"2000"]


def test_one_that_fails_at_the_last_record(tmp_path: Path) -> None:
    code = "import sys\nfor line in sys.stdin: print(line, end='')\nsys.exit(1)"
    mapper = script(tmp_path, "m.py", code)
    job = job_class("-mapper", "m.py", "-reducer", "cat")
    with pytest.raises(ChildFailed, match=r"`m.py` ended with exit code 1"):
        run_job(job, TEXT, splits=1, files={"m.py": mapper})
    kept = job_class("-mapper", "m.py", "-D", "stream.non.zero.exit.is.failure=false")
    assert len(run_job(kept, TEXT, splits=1, files={"m.py": mapper}).records) == len(TEXT)


@pytest.mark.slow
def test_a_line_of_a_hundred_megabytes() -> None:
    result = run_job(
        job_class("-mapper", "cat", "-reducer", "wc -c"), {"in": b"k\t" + b"x" * 100_000_000}
    )
    assert lines(result.records)[0][0].strip() == b"100000003"


def test_a_reducer_runs_without_records() -> None:
    job = job_class("-mapper", "true", "-reducer", "wc -l")
    assert [key.strip() for key, _ in lines(run_job(job, ["x"]).records)] == [b"0"]


def test_total_order_over_reduces() -> None:
    rng = random.Random(5)
    given = [f"{rng.randrange(1 << 40):012d}" for _ in range(4_000)]
    words = ("-mapper", "cat", "-reducer", "cat", "-partitioner", "TotalOrderPartitioner")
    result = run_job(job_class(*words), given, splits=3, num_reducers=3)
    parts = [result.files[name].split() for name in sorted(result.files)]
    assert [word for part in parts for word in part] == sorted(line.encode() for line in given)
    assert all(len(part) > 500 for part in parts)


def test_total_order_by_a_comparator() -> None:
    given = [str(number) for number in range(3_000)]
    random.Random(6).shuffle(given)
    words = ("-mapper", "cat", "-reducer", "cat", "-partitioner", "TotalOrderPartitioner")
    key = "mapreduce.job.output.key.comparator.class=KeyFieldBasedComparator"
    more = ("-D", key, "-D", "mapreduce.partition.keycomparator.options=-nr")
    result = run_job(job_class(*words, *more), given, splits=2, num_reducers=3)
    parts = [result.files[name].split() for name in sorted(result.files)]
    assert [int(word) for part in parts for word in part] == list(range(2_999, -1, -1))
    assert all(len(part) > 300 for part in parts)


def test_a_mapper_runs_over_an_empty_file(tmp_path: Path) -> None:
    tell = script(
        tmp_path,
        "tell.py",
        "import os, sys\nname = os.environ['mapreduce_map_input_file'].rpartition('/')[2]\n"
        "at, size = (os.environ[f'mapreduce_map_input_{n}'] for n in ('start', 'length'))\n"
        "print(name, at, size, len(sys.stdin.readlines()), sep=' ')\n",
    )
    words = ("-mapper", "tell.py", "-numReduceTasks", "0")
    for more in ((), ("-inputformat", "KeyValueTextInputFormat")):
        result = run_job(
            job_class(*words, *more),
            {"a.txt": "x\ny\n", "b.txt": "", "c.txt": ""},
            splits=1,
            files={"tell.py": tell},
        )
        wanted = [b"a.txt 0 4 2", b"b.txt 0 0 0", b"c.txt 0 0 0"]
        assert sorted(key for key, _ in lines(result.records)) == wanted
