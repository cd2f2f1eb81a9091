"""Imports pyarrow.compute without most of the documentation of its functions.

pyarrow makes a function for each of 300 kernels when it is imported. To document each of them, it
parses the documentation of the kernel's options anew, and that is most of the import. In a worker
nobody reads it. The functions and their signatures stay the same. Thread: main, before any other
runs.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

__all__ = ["undocumented"]

_PARSER = "pyarrow.vendored.docscrape"


class _NoText(dict[str, Any]):
    """Documentation in which nothing is found."""

    def __init__(self, _text: str) -> None:
        super().__init__(Parameters=[])


@contextlib.contextmanager
def undocumented() -> Iterator[None]:
    """Functions that pyarrow.compute makes meanwhile get short documentation."""
    if _PARSER in sys.modules:
        yield
        return
    stub: Any = ModuleType(_PARSER)
    stub.NumpyDocString = _NoText
    signature = inspect.signature
    sys.modules[_PARSER] = stub
    inspect.signature = functools.cache(signature)  # several kernels share a class of options
    try:
        yield
    finally:
        inspect.signature = signature
        del sys.modules[_PARSER]


with undocumented():
    import pyarrow.compute  # noqa: F401
