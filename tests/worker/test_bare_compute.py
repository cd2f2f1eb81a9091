"""A worker's pyarrow.compute is the ordinary one, with shorter documentation."""

import inspect
import json
import subprocess
import sys

import pyarrow.compute as pc

SEEN = """
import inspect, json, sys
import mrmesos.worker.bare_compute
parsed = [name for name in ("pyarrow.vendored.docscrape", "pydoc") if name in sys.modules]
import pyarrow as pa
import pyarrow.compute as pc
functions = {n: str(inspect.signature(f)) for n, f in vars(pc).items() if inspect.isfunction(f)}
from pyarrow.vendored.docscrape import NumpyDocString
again = NumpyDocString(pc.SortOptions.__doc__)["Parameters"]
rounded = pc.round(pa.scalar(2.345), 1).as_py()
print(json.dumps([functions, parsed, rounded, bool(again), pc.round.__doc__]))
"""


def test_functions_and_signatures_are_the_same() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SEEN], capture_output=True, text=True, timeout=60, check=True
    )
    functions, parsed, rounded, again, documentation = json.loads(ran.stdout)
    ordinary = {n: str(inspect.signature(f)) for n, f in vars(pc).items() if inspect.isfunction(f)}
    assert functions == ordinary
    assert (parsed, rounded, again) == ([], 2.3, True)
    of_an_option = "Number of fractional digits to round to"
    assert of_an_option in str(pc.round.__doc__)
    assert of_an_option not in documentation, "pyarrow has moved its parser of documentation"
