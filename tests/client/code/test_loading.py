"""From a script to a job: the chosen class, its mistakes, and the contents of its pickle."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mrmesos.client.code.loading import LoadedJob, load
from mrmesos.client.code.target import parse_target
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.conf import Conf

HEAD = """
from mrmesos.api import *

class M(Mapper):
    def map(self, key, line):
        yield line, 1

class R(Reducer):
    def reduce(self, key, values):
        yield key, sum(values)
"""
GOOD = HEAD + "class WordCount(Job):\n    mapper, combiner, reducer = M, R, R\n"


@pytest.fixture(autouse=True)
def _clean_imports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Forget the modules that a test imports."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


def load_text(
    directory: Path, text: str, args: str = "", *, name: str = "job.py", cls: str = "", **conf: str
) -> LoadedJob:
    script = directory / name
    script.write_text(text)
    conf = {key.replace("_", "."): value for key, value in conf.items()}
    return load(parse_target(str(script), cls or None), Conf(conf), args.split())


def refusal(directory: Path, text: str, **more: str) -> str:
    """Load a script that must be refused; returns the error."""
    with pytest.raises(UsageProblem) as problem:
        load_text(directory, text, **more)
    message = str(problem.value.message)
    assert "\n" not in message
    return message


def test_the_only_job_of_a_script(tmp_path: Path) -> None:
    loaded = load_text(tmp_path, GOOD)
    assert (loaded.name, loaded.num_reducers) == ("WordCount", 1)
    assert loaded.code


def test_settings_of_the_class_and_those_on_top(tmp_path: Path) -> None:
    text = GOOD + "    num_reducers = 3\n    conf = {'map.memory.mb': 2048, 'x': True, 'y': 0.5}\n"
    loaded = load_text(tmp_path, text, y="7")
    assert loaded.num_reducers == 3
    assert dict(loaded.conf) == {
        "map.memory.mb": "2048",
        "x": "true",
        "y": "7",
        "job.reduces": "3",
    }
    assert load_text(tmp_path, text, name="other.py", job_reduces="5").num_reducers == 5
    assert load_text(tmp_path, text, name="named.py", job_name="mine").name == "mine"


def test_jobs_without_a_reducer_are_map_only(tmp_path: Path) -> None:
    text = HEAD + "class J(Job):\n    mapper = M\n"
    assert load_text(tmp_path, text).num_reducers == 0
    assert "no reducer" in refusal(tmp_path, text, name="b.py", job_reduces="2")


def test_one_of_several_jobs(tmp_path: Path) -> None:
    text = GOOD + "class Other(WordCount):\n    pass\n"
    message = refusal(tmp_path, text)
    assert "Other, WordCount" in message
    assert "--class Other" in message
    assert load_text(tmp_path, text, name="b.py", cls="Other").name == "Other"
    script = f"{tmp_path / 'job.py'}:WordCount"
    assert load(parse_target(script), Conf(), ()).name == "WordCount"
    assert "no class Nix" in refusal(tmp_path, text, name="c.py", cls="Nix")
    assert "not a subclass of Job" in refusal(tmp_path, text, name="d.py", cls="M")


def test_arguments_of_the_job(tmp_path: Path) -> None:
    text = GOOD + (
        "    @classmethod\n    def add_arguments(cls, parser):\n"
        "        parser.add_argument('--top', type=int, default=3)\n"
    )
    assert load_text(tmp_path, text, args="--top 5").job.args.top == 5
    for wrong in ("--top x", "--nix", "stray"):
        with pytest.raises(UsageProblem, match=r"b\.py: "):
            load_text(tmp_path, text, name="b.py", args=wrong)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\n", "defines no subclass of mrmesos.api.Job"),
        ("def f(:\n", "line 1: SyntaxError"),
        ("import nowhere_to_be_found\n", "line 1: ModuleNotFoundError"),
        ("x = 1\n\n1 / 0\n", "line 3: ZeroDivisionError"),
        ("import sys\nsys.exit(3)\n", "sys.exit(3)"),
        (HEAD + "class J(Job):\n    mapper = M()\n", "name the class, not an object"),
        (HEAD + "class J(Job):\n    mapper = R\n", "J.mapper is R, not a subclass of Mapper"),
        (HEAD + "class J(Job):\n    reducer = M\n", "J.reducer is M"),
        (HEAD + "class J(Job):\n    combiner = R\n", "combiner but no reducer"),
        (HEAD + "class J(Job):\n    combiner, reducer = R, Sum\n", "and the aggregate Sum"),
        (HEAD + "class J(Job):\n    partitioner = M\n", "J.partitioner is M"),
        (HEAD + "class J(Job):\n    input_format = 'text'\n", "J.input_format is 'text'"),
        (HEAD + "class J(Job):\n    output_format = TextOutput\n", "J.output_format"),
        (HEAD + "class J(Job):\n    num_reducers = -1\n    reducer = R\n", "num_reducers is -1"),
        (HEAD + "class J(Job):\n    conf = {'map.memory.mb': 'x'}\n", "map.memory.mb"),
        (
            HEAD + "class J(Job):\n    def __init__(self, args):\n        raise ValueError('no')\n",
            "ValueError: no",
        ),
    ],
)
def test_a_wrong_job_gives_an_error_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    assert words in refusal(tmp_path, text)


def test_a_relative_import_is_told_what_a_script_is(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").touch()
    said = refusal(tmp_path, f"from . import helper\n{GOOD}")
    assert "job.py, line 1: ImportError: attempted relative import" in said
    assert said.endswith("a script is no part of a package: import the module by its whole name")


def test_scripts_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "job.txt").write_text(GOOD)
    for path, words in (
        (str(tmp_path / "nix.py"), "no such script"),
        (str(tmp_path), "is a directory"),
        (str(tmp_path / "nix.py") + ":Job", "no such script"),
    ):
        with pytest.raises(UsageProblem, match=words):
            parse_target(path)
    with pytest.raises(UsageProblem, match=r"end in \.py"):
        load(parse_target(str(tmp_path / "job.txt")), Conf(), ())
    (tmp_path / "job.py").write_text(GOOD)
    with pytest.raises(UsageProblem, match="different classes"):
        parse_target(f"{tmp_path / 'job.py'}:A", "B")


def test_an_object_that_cannot_be_pickled_is_named(tmp_path: Path) -> None:
    made = (
        "import threading\n\ndef made():\n    lock = threading.Lock()\n    class L(M):\n"
        "        def map(self, key, line):\n            lock.acquire()\n"
        "    class J(Job):\n        mapper = L\n    return J\nJ = made()\n"
    )
    message = refusal(tmp_path, HEAD + made)
    assert "`lock`, used by L.map" in message
    attribute = GOOD + "    def __init__(self, args):\n        self.handle = (x for x in [])\n"
    assert "self.handle" in refusal(tmp_path, attribute, name="b.py")


def test_modules_beside_the_script_travel(tmp_path: Path) -> None:
    """A process in another directory runs the mapper with only the files that were sent."""
    (tmp_path / "beside.py").write_text("def twice(x):\n    return x * 2\n")
    package = tmp_path / "pack"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "inner.py").write_text("ADD = '!'\n")
    (tmp_path / "late.py").write_text("MORE = '?'\n")
    (tmp_path / "unrelated.py").write_text("")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "elsewhere.py").write_text("def last():\n    return '.'\n")
    text = (
        "import sys\nsys.path.append(sys.path[0] + '/sub')\n"
        "import beside\nimport elsewhere\nfrom pack.inner import ADD\n"
        + HEAD.replace(
            "yield line, 1",
            "import late\n        yield beside.twice(line) + ADD + late.MORE + elsewhere.last(), 1",
        )
        + "class J(Job):\n    mapper = M\n"
    )
    loaded = load_text(tmp_path, text)
    (tmp_path / "job.pickle").write_bytes(loaded.code)
    (tmp_path / "modules.zip").write_bytes(loaded.modules)
    with zipfile.ZipFile(tmp_path / "modules.zip") as archive:
        packed = {"beside.py", "late.py", "pack/__init__.py", "pack/inner.py"}
        assert set(archive.namelist()) == packed | {"elsewhere.py"}
    for name in ("job.py", "sub/elsewhere.py", *packed):
        (tmp_path / name).unlink()
    code = (
        "import pickle, sys; job = pickle.load(open(sys.argv[1], 'rb'));"
        "print(list(job.mapper().map(0, 'ab')))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "job.pickle")],
        cwd="/",
        env={"PYTHONPATH": f"{Path(__file__).parents[3]}:{tmp_path / 'modules.zip'}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.stdout.strip() == "[('abab!?.', 1)]", ran.stderr


def test_a_script_named_like_a_module_of_python(tmp_path: Path) -> None:
    loaded = load_text(tmp_path, GOOD, name="string.py")
    assert loaded.name == "WordCount"
    import string

    assert string.ascii_lowercase


def test_named_outputs_are_not_without_number(tmp_path: Path) -> None:
    text = GOOD + "    outputs = {f'o{n}': TextOutput() for n in range(101)}\n"
    words = refusal(tmp_path, text)
    assert words.startswith(
        "WordCount.outputs names 101 outputs, over 100: raise -D job.outputs.max"
    )
    assert len(load_text(tmp_path, text, job_outputs_max="101").job.outputs) == 101
