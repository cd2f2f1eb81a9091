"""The script becomes a module in a process elsewhere. That process has only the parts that were
sent.
"""

from __future__ import annotations

import io
import shutil
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

ROOT = Path(__file__).parents[3]
HEAD = """\
from __future__ import annotations
import dataclasses, enum, functools, multiprocessing, pickle, sys, typing
from pathlib import Path
from mrmesos.api import Job, Mapper

class M(Mapper):
    limit = 1

class J(Job):
    mapper = M
"""
ELSEWHERE = """\
import sys
from pathlib import Path
from mrmesos.task.drivers.user_code import TaskError, load_job, trimmed_traceback

def main():
    try:
        job = load_job(Path(sys.argv[1]), "elsewhere")
    except TaskError as failed:
        print("failed:", failed.error.message)
        print(failed.error.detail)
        return
    module = sys.modules[type(job).__module__]
    try:
        print(repr(eval(sys.argv[2], vars(module) | {"job": job, "module": module})))
    except Exception as problem:
        print(trimmed_traceback(problem))

if __name__ == "__main__":
    main()
"""


@pytest.fixture(autouse=True)
def _clean_imports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    # Other tests leave directories with a job.py on sys.path, and modules of that name.
    elsewhere = [entry for entry in sys.path if not (Path(entry) / "job.py").exists()]
    monkeypatch.setattr(sys, "path", elsewhere)
    monkeypatch.delitem(sys.modules, "job", raising=False)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    yield
    for name, module in list(sys.modules.items()):
        if name == "mrmesos_job" or str(getattr(module, "__file__", None)).startswith(
            str(tmp_path)
        ):
            del sys.modules[name]


class Place:
    """A directory with a script. It is gone when another process loads the job."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "here"
        self.directory.mkdir()
        self.there = directory / "there"
        self.there.mkdir()
        self.modules = self.there / "python" / "job.modules.zip"

    def load(self, text: str, name: str = "job.py", *args: str) -> LoadedJob:
        script = self.directory / name
        script.write_text(HEAD + text)
        loaded = load(parse_target(f"{script}:J"), Conf(), args)
        (self.there / "job.pickle").write_bytes(loaded.code)
        self.modules.mkdir(parents=True, exist_ok=True)
        if loaded.modules:
            zipfile.ZipFile(io.BytesIO(loaded.modules)).extractall(self.modules)
        script.unlink()
        return loaded

    def elsewhere(self, expression: str) -> str:
        (self.there / "main.py").write_text(ELSEWHERE)
        ran = subprocess.run(
            [sys.executable, "-P", "main.py", "job.pickle", expression],
            cwd=self.there,
            env={"PYTHONPATH": f"{ROOT}:{self.modules}"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


NAMES = """
import msgspec

@functools.lru_cache(maxsize=7)
def cached(n):
    return n + 1

@functools.singledispatch
def shown(value):
    return "other"

@shown.register
def _(value: int):
    return "int"

class Visit(typing.NamedTuple):
    site: str
    day: int

@dataclasses.dataclass(frozen=True, order=True)
class Point:
    x: int
    color: Color | None = None

class Color(enum.Enum):
    RED = 1

class Row(msgspec.Struct):
    name: str
    at: list[Point]

class Outer:
    class Inner:
        def __eq__(self, other):
            return type(other) is type(self)

def same(value):
    return pickle.loads(pickle.dumps(value)) == value
"""


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("cached(1), cached(1), cached.cache_info().hits", "(2, 2, 1)"),
        ("shown(1), shown('')", "('int', 'other')"),
        ("same(Visit('a', 1)), same([Point(1, Color.RED)]), same(Outer.Inner())", "(True,) * 3"),
        ("pickle.loads(pickle.dumps(Color.RED)) is Color.RED", "True"),
        ("pickle.loads(pickle.dumps(cached)) is cached", "True"),
        ("sorted([Point(2), Point(1)])", "[Point(x=1, color=None), Point(x=2, color=None)]"),
        ("typing.get_type_hints(Point)['color'] == typing.Optional[Color]", "True"),
        (
            """msgspec.json.decode(b'{"name":"n","at":[{"x":1}]}', type=Row)""",
            "Row(name='n', at=[Point(x=1, color=None)])",
        ),
        ("module.__name__, __import__('job') is module", "('job', True)"),
        ("__import__('inspect').getsource(shown).splitlines()[1]", "'def shown(value):'"),
    ],
)
def test_names_are_found_by_their_module(place: Place, expression: str, value: str) -> None:
    place.load(NAMES)
    told = place.elsewhere(expression)
    assert told == (repr(eval(value)) if value.startswith("(True") else value)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("name", ["job.py", "my-job.py"])
def test_processes_that_user_code_starts_find_them_too(
    place: Place, method: str, name: str
) -> None:
    text = """
STATE = Path(__file__).read_text()[:4]

class Visit(typing.NamedTuple):
    day: int

def next_day(visit):
    return Visit(visit.day + len(STATE))

def days(method):
    with multiprocessing.get_context(method).Pool(1) as pool:
        return pool.map(next_day, [Visit(1), Visit(2)])
"""
    place.load(text, name)
    assert place.elsewhere(f"days({method!r})") == "[Visit(day=5), Visit(day=6)]"


def test_pydantic_decodes_the_scripts_models(place: Place) -> None:
    pytest.importorskip("pydantic")
    text = """
import pydantic

class Site(pydantic.BaseModel):
    host: str

class Visit(pydantic.BaseModel):
    site: Site
    next: Visit | None = None
"""
    place.load(text)
    json = '{"site": {"host": "h"}, "next": {"site": {"host": "i"}}}'
    told = place.elsewhere(f"pickle.loads(pickle.dumps(Visit.model_validate_json('{json}')))")
    assert told == "Visit(site=Site(host='h'), next=Visit(site=Site(host='i'), next=None))"


def test_the_module_is_as_the_client_had_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers do not read or compute its values again, and do not lose changes of them."""
    (place.directory / "stop.txt").write_text("a b")
    monkeypatch.chdir(place.directory)
    monkeypatch.setattr(sys, "argv", ["mrmesos", "--fast"])
    text = """
import os, time, threading
FAST = "--fast" in sys.argv
if FAST:
    def speed():
        return "fast"
STARTED = time.time_ns()
STOP = set(open("stop.txt").read().split())
with open("stop.txt") as file:
    TEXT = file.read()
try:
    WORDS = open("stop.txt").read().split()
except OSError:
    WORDS = None
HERE = Path(__file__).parent
UNSET = object()
DEFAULTS = dict(a=UNSET)
ALIAS = DEFAULTS
LOCK = threading.Lock()
SEEN = []
SEEN.append(len(SEEN))
LIMIT: int = 1
TOTAL = 0
TOTAL += 5
CONFIG = {}

def scaled(n, factor=STARTED):
    return n * factor

class K(M):
    started = STARTED
    table = CONFIG

class J(J):
    mapper = K
    def __init__(self, args):
        super().__init__(args)
        global LIMIT
        LIMIT = args.limit
        K.limit = args.limit + 1
        CONFIG["limit"] = Visit(args.limit)

    @classmethod
    def add_arguments(cls, parser):
        parser.add_argument("--limit", type=int)

class Visit(typing.NamedTuple):
    day: int

if __name__ == "__main__":
    os._exit(1)
"""
    place.load(text, "job.py", "--limit", "7")
    (place.directory / "stop.txt").unlink()
    module = sys.modules["job"]
    same = "STARTED, K.started, scaled(1), sorted(STOP), TEXT, WORDS, str(HERE), TOTAL, SEEN"
    assert place.elsewhere(same) == repr(eval(same, vars(module)))
    assert place.elsewhere("speed(), FAST") == "('fast', True)"
    assert place.elsewhere("DEFAULTS['a'] is UNSET, ALIAS is DEFAULTS") == "(True, True)"
    assert place.elsewhere("LIMIT, K.limit, M.limit, CONFIG") == repr((7, 8, 1, module.CONFIG))
    assert place.elsewhere("LOCK.acquire(), job.mapper is K, SEEN") == "(True, True, [0])"


@pytest.mark.parametrize("name", ["my-job.py", "numpy.py", "test.py", "class.py", "queue.py"])
def test_a_name_that_is_none_or_anothers(place: Place, name: str) -> None:
    place.load("import numpy\nclass Mine:\n    pass\n", name)
    told = place.elsewhere("pickle.loads(pickle.dumps(Mine)) is Mine, numpy.arange(2).sum().item()")
    assert told == "(True, 1)"
    assert place.elsewhere("module.__name__") == "'mrmesos_job'"


def test_files_beside_the_script_hide_no_module_of_python(place: Place) -> None:
    (place.directory / "fractions.py").write_text("raise ImportError('mine')\n")
    (place.directory / "beside.py").write_text("import job\nMINE = job.M\n")
    sys.modules.pop("fractions", None)
    place.load("import fractions, beside\nHALF = fractions.Fraction(1, 2)\n")
    assert place.elsewhere("HALF, beside.MINE is M") == "(Fraction(1, 2), True)"


def test_a_changed_variable_that_cannot_be_pickled_gives_a_warning(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    text = """
class J(J):
    def __init__(self, args):
        super().__init__(args)
        M.handle = (x for x in [])
"""
    place.load(text)
    assert "M.handle was changed after the import, and cannot be pickled" in capsys.readouterr().err
    assert place.elsewhere("hasattr(M, 'handle')") == "False"


def test_a_script_that_fails_elsewhere_says_where(place: Place) -> None:
    text = "for line in open(__file__):\n    pass\n"
    place.load(text)
    message, _, detail = place.elsewhere("1").partition("\n")
    assert "job.py cannot be imported on elsewhere: FileNotFoundError" in message
    assert "under `if __name__" in message
    assert "for line in open(__file__):" in detail
    assert "user_script" not in detail


def test_tracebacks_name_files_as_they_were_here(place: Place) -> None:
    """For the script, modules and packages beside it and on sys.path, and --py-files."""
    files = ("beside.py", "pack/__init__.py", "pack/inner.py", "sub/further.py")
    for name in files:
        file = place.directory / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("def call(function, *more):\n    return function(*more)\n")
    (place.there / "python").mkdir()
    (place.there / "python" / "sent.py").write_text("def fail():\n    return 1 / 0\n")
    text = """
sys.path.append(str(Path(__file__).with_name("sub")))
import beside, further, pack.inner

def fail():
    beside.call(pack.call, pack.inner.call, further.call, __import__("sent").fail)
"""
    place.load(text)
    told = place.elsewhere("sys.path.insert(0, str(Path('python').absolute())) or fail()")
    for name in ("beside.py", "pack/__init__.py", "pack/inner.py", "sub/further.py"):
        assert f'File "{place.directory / name}", line 2, in call' in told
    assert f'File "{place.directory / "job.py"}", line' in told
    assert 'File "sent.py", line 2, in fail' in told
    assert told.count("return function(*more)") == 4


def test_a_module_that_is_absent_elsewhere_is_named(place: Place) -> None:
    (place.directory / "secret.py").write_text("")
    place.load("import importlib\nif sys.path: importlib.import_module('sec' + 'ret')\n")
    shutil.rmtree(place.modules)
    assert "the job needs the module 'secret'" in place.elsewhere("1")


def test_a_module_that_only_the_client_needs_may_be_absent(place: Place) -> None:
    for name in ("plots", "charts", "bases"):
        (place.directory / f"{name}.py").write_text("class Base:\n    pass\n")
    text = """
import plots, charts as c
from charts import Base as B

def plot():
    return plots.draw()

def made():
    return B()
"""
    place.load(text)
    shutil.rmtree(place.modules)
    assert place.elsewhere("J.mapper is M") == "True"
    for use, name in (("plot()", "plots"), ("made()", "charts"), ("c.draw", "charts")):
        told = place.elsewhere(use)
        assert f"ModuleNotFoundError: No module named '{name}' on this host: install" in told
    sys.modules.pop("job")
    place.load("import bases\nclass D(bases.Base):\n    pass\n")
    shutil.rmtree(place.modules)
    assert "failed: the job needs the module 'bases'" in place.elsewhere("1")


def test_an_error_in_the_script_names_its_line(place: Place) -> None:
    line = len(HEAD.splitlines()) + 2
    with pytest.raises(UsageProblem, match=f"job.py, line {line}: ZeroDivisionError"):
        place.load("A = 1\nB = 1 / 0\n")
