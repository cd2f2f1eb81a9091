"""Objects pickled by `python script.py` or a notebook find their names after unpickling."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = """\
from __future__ import annotations
import dataclasses, enum, functools, pickle, sys, typing
from pathlib import Path
from mrmesos.io.code.code_pickle import dumps

@functools.lru_cache(maxsize=50)
def fibonacci(n):
    "Rabbits."
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

@functools.cache
def cached(n):
    return n

@functools.singledispatch
def shown(value):
    return "other"

@shown.register
def _(value: int):
    return "int"

@shown.register
def _(value: list):
    return [shown(each) for each in value]

class Color(enum.Enum):
    RED = 1

@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    color: typing.Optional[Hue] = None

class Hue(typing.NamedTuple):
    degrees: int

def typed(a: Only) -> None:
    pass

class Only:
    pass

def made():
    class Local:
        table = [cached]
        def points(self):
            return [Point(1, Hue(2)), Color.RED]
    return Local

if __name__ == "__main__":
    names = {
        "points": made()().points, "fibonacci": fibonacci, "cached": cached, "shown": shown,
        "typed": typed,
    }
    sys.stdout.buffer.write(dumps(names))
"""
ELSEWHERE = """\
import pickle, sys, typing
globals().update(pickle.loads(sys.stdin.buffer.read()))
print(eval(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def pickled(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    script = tmp_path_factory.mktemp("main") / "script.py"
    script.write_text(SCRIPT)
    made = run([str(script)], b"")
    script.unlink()
    return made


def run(arguments: list[str], given: bytes) -> bytes:
    ran = subprocess.run(
        [sys.executable, *arguments],
        input=given,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr.decode()
    return ran.stdout


@pytest.mark.parametrize(
    "true",
    [
        "pickle.loads(pickle.dumps(points())) == points()",
        "pickle.loads(pickle.dumps(points()[1])) is points()[1] is Color.RED",
        "pickle.loads(pickle.dumps(fibonacci)) is fibonacci",
        "typing.get_type_hints(Point)['color'] == typing.Optional[Hue]",
        "Only.__name__ == 'Only'",
        "fibonacci(80) == 23416728348467685 and fibonacci.cache_info().misses == 81",
        "fibonacci.__doc__ == 'Rabbits.' and fibonacci.cache_parameters()['maxsize'] == 50",
        "cached(2) == 2 and cached.cache_parameters()['maxsize'] is None",
        "points.__self__.table[0] is cached",
        "shown(1) == 'int' and shown('') == 'other' and shown([1, ()]) == ['int', 'other']",
    ],
)
def test_names_of_main(pickled: bytes, true: str) -> None:
    assert run(["-c", ELSEWHERE, true], pickled).strip() == b"True"
