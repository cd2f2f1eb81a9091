"""Pickles of user code that keep where it was written: file name, lines, and the source itself.

cloudpickle rebuilds functions and classes from code objects, and since 3.1.3 it leaves out the name
of the file that these came from. Here the name travels beside each code object, and the file's
source once per pickle. Where it is unpickled the source goes to `linecache`, which tracebacks and
`inspect` read, as the file itself may be on no other host.
"""

from __future__ import annotations

import io
import linecache
import pickle
from collections import ChainMap
from collections.abc import Callable
from types import CodeType
from typing import Any

import cloudpickle

from mrmesos.io.code.main_module import Names, WithNames, names_of, reduced

MAX_SOURCE_CHARS = 2 << 20
"""The source of a longer file stays behind; its name and line numbers travel all the same."""


def dumps(value: object, *, sources: bool = True) -> bytes:
    """What cloudpickle makes of a value, with file names, sources and the names of `__main__` that
    are used; without `sources` only file names.

    Records are pickled without: a source with each would be more than the record.
    """
    names: Names = {}
    while True:
        sink = io.BytesIO()
        pickler = _Pickler(sink, sources=sources)
        pickler.dump(WithNames(names, value) if names else value)
        if pickler.names.keys() <= names.keys():
            return sink.getvalue()
        names |= pickler.names


def remember_source(file_name: str, text: str) -> str:
    """Let tracebacks show lines of a file that may not be here; returns its name."""
    lines = text.splitlines(keepends=True)
    if lines and linecache.getlines(file_name) != lines:
        # Without a time of modification `linecache` never asks the disk again.
        linecache.cache[file_name] = (len(text), None, lines, file_name)
    return file_name


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle has no types
    def __init__(self, file: io.BytesIO, *, sources: bool) -> None:
        self._sources = sources
        self.names: Names = {}
        self._files: dict[str, _File] = {}
        table = cloudpickle.Pickler.dispatch_table
        self._reduce: Callable[[CodeType], tuple[Any, ...]] = table[CodeType]
        # Before `__init__`, where the pickler of C looks for it.
        self.dispatch_table = ChainMap({CodeType: self._reduce_code}, table)
        super().__init__(file, pickle.HIGHEST_PROTOCOL)

    def reducer_override(self, obj: Any) -> Any:
        """Called for all but plain data, before any other way to pickle it."""
        if self._sources:
            self.names.update(names_of(obj))
            if (ours := reduced(obj)) is not None:
                return ours
        return super().reducer_override(obj)

    def _reduce_code(self, code: CodeType) -> tuple[Any, ...]:
        name = code.co_filename
        file = self._files.setdefault(name, _File(name, sources=self._sources))
        make, arguments = self._reduce(code)[:2]
        return _make_code, (file, make, arguments)


class _File:
    """A file of source; it is unpickled as its name, and its lines are remembered."""

    def __init__(self, name: str, *, sources: bool) -> None:
        self._name, self._sources = name, sources

    def __reduce__(self) -> tuple[Any, ...]:
        if not self._sources:
            return str, (self._name,)
        text = "".join(linecache.getlines(self._name))
        return remember_source, (self._name, text if len(text) <= MAX_SOURCE_CHARS else "")


def _make_code(
    file_name: str, make: Callable[..., CodeType], arguments: tuple[Any, ...]
) -> CodeType:
    return make(*arguments).replace(co_filename=file_name)
