"""Pickles of user code that keep the file name, the line numbers and the source.

cloudpickle rebuilds functions and classes from code objects. Since 3.1.3 it leaves out the file
name of a code object. This module pickles the file name with each code object, and the source of
each file once per pickle. Unpickling puts the source into `linecache`, because the file itself may
not exist on that host. Tracebacks and `inspect` read `linecache`.
"""

from __future__ import annotations

import io
import linecache
import pickle
from collections import ChainMap
from collections.abc import Callable, Collection, Iterable
from types import CodeType
from typing import Any

import cloudpickle

from mrmesos.io.code.main_module import Names, WithNames, names_of, reduced

MAX_SOURCE_CHARS = 2 << 20
"""Longer sources are not pickled; the file name and the line numbers still are."""
MAX_SOURCES_CHARS = 16 << 20
"""Limit of all files of `Sources`."""


def dumps(value: object, *, sources: bool = True, sent: Collection[str] = ()) -> bytes:
    """Pickle a value with cloudpickle, and add file names, sources and the used `__main__` names.

    The source of a file in `sent` is left out: the other process has it already. With
    `sources=False`, add only the file names. Records are pickled this way: a source would be larger
    than the record.
    """
    names: Names = {}
    while True:
        sink = io.BytesIO()
        pickler = _Pickler(sink, sources=sources, sent=sent)
        pickler.dump(WithNames(names, value) if names else value)
        if pickler.names.keys() <= names.keys():
            return sink.getvalue()
        names |= pickler.names


class Sources:
    """Source files. Unpickling stores their lines in `linecache`. They travel once in this way,
    where many pickles use the same files.
    """

    def __init__(self, files: Iterable[str]) -> None:
        self.names: set[str] = set()
        self._texts: list[tuple[str, str]] = []
        left = MAX_SOURCES_CHARS
        for name in dict.fromkeys(files):
            text = "".join(linecache.getlines(name))
            if text and len(text) <= min(left, MAX_SOURCE_CHARS):
                self.names.add(name)
                self._texts.append((name, text))
                left -= len(text)

    def __reduce__(self) -> tuple[Any, ...]:
        return _remember_all, (self._texts,)


def _remember_all(texts: Iterable[tuple[str, str]]) -> None:
    for name, text in texts:
        remember_source(name, text)


def remember_source(file_name: str, text: str) -> str:
    """Make tracebacks show lines of a file that may not exist on this host. Returns its name."""
    lines = text.splitlines(keepends=True)
    if lines and linecache.getlines(file_name) != lines:
        # An entry without a modification time makes `linecache` never check the disk.
        linecache.cache[file_name] = (len(text), None, lines, file_name)
    return file_name


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle has no types
    def __init__(self, file: io.BytesIO, *, sources: bool, sent: Collection[str]) -> None:
        self._sources, self._sent = sources, sent
        self.names: Names = {}
        self._files: dict[str, _File] = {}
        table = cloudpickle.Pickler.dispatch_table
        self._reduce: Callable[[CodeType], tuple[Any, ...]] = table[CodeType]
        # Set before `__init__`, because the C pickler reads it there.
        self.dispatch_table = ChainMap({CodeType: self._reduce_code}, table)
        super().__init__(file, pickle.HIGHEST_PROTOCOL)

    def reducer_override(self, obj: Any) -> Any:
        """The pickler calls this first, for every object that is not plain data."""
        if self._sources:
            self.names.update(names_of(obj))
            if (ours := reduced(obj)) is not None:
                return ours
        return super().reducer_override(obj)

    def _reduce_code(self, code: CodeType) -> tuple[Any, ...]:
        name = code.co_filename
        wanted = self._sources and name not in self._sent
        file = self._files.setdefault(name, _File(name, sources=wanted))
        make, arguments = self._reduce(code)[:2]
        return _make_code, (file, make, arguments)


class _File:
    """A source file. Unpickling returns its name and stores its lines in `linecache`."""

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
