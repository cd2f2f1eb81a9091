"""Finds misspelt names in a job: methods that nothing calls, attributes that nothing reads. Pure.

A Mapper without a `map` passes its records on, and a Job without a `mapper` has such a Mapper. So a
misspelt `map` or `mapper` would do nothing, without any error. The same holds for a method
`cleanup` instead of `close`. In: a class. Out: a text for the author.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from types import CodeType, FunctionType
from typing import Any

from mrmesos.conf.names import ALMOST, likely

_OURS = "mrmesos."
_OTHER_NAMES = {
    "setup": ("set_up", "setUp", "configure", "mapper_init", "reducer_init", "combiner_init"),
    "close": (
        *("cleanup", "clean_up", "teardown", "tear_down", "tearDown"),
        *("mapper_final", "reducer_final", "combiner_final"),
    ),
}
"""The names of these methods in Hadoop, mrjob and unittest."""
_ATTRIBUTE = 0.75  # difflib's ratio: "mapers" and "mapper" have 0.83
_WORK = ("map", "reduc", "combin")
"""The beginnings of names of methods that do a task's work."""


def misnamed_attribute(cls: type, base: type, kinds: Mapping[str, tuple[type, ...]]) -> str:
    """A text about an attribute of `cls` that is almost one of `base`. Empty if there is none.

    `kinds` has the types of values (or of classes) of each attribute of `base` that counts. If the
    class also sets the attribute itself, the other name may be a helper.
    """
    own = {name: value for each in _authors(cls) for name, value in vars(each).items()}
    for name, value in own.items():
        if name.startswith("_") or hasattr(base, name):
            continue
        given = value if inspect.isclass(value) else type(value)
        fitting = [n for n, kind in kinds.items() if n not in own and issubclass(given, kind)]
        if meant := likely(name.lower(), fitting, _ATTRIBUTE):
            return f"{name} has no effect; did you mean {meant}?"
    return ""


def uncalled_method(cls: type, base: type) -> str:
    """A text about a method that nothing would call. Empty if there is none.

    `cls` is a subclass of `base`: Mapper, Reducer or the like. A method counts as called if another
    method of the class names it.
    """
    hooks = _hooks(base)
    work, own = hooks[0], _own_functions(cls)
    defined = {name for each in _authors(cls) for name in vars(each)}
    missing = [name for name in hooks if name not in defined]
    idle = _idle(cls, own)
    for name in idle:
        if name == "close" and name not in hooks:
            return (
                f"defines close(), which a {base.__name__} does not have; end the work in {work}()"
            )
        if meant := _meant(name, work, missing):
            return f"defines {name}(), which nothing calls; did you mean {meant}()?"
    if idle and len(missing) == len(hooks):
        listed = ", ".join(f"{name}()" for name in idle[:5])
        return f"defines {listed}, which nothing calls, and not {work}(); define {work}()"
    return ""


def _idle(cls: type, own: Mapping[str, FunctionType]) -> list[str]:
    """The author's public methods that neither the engine nor another method calls."""
    called = {name for function in own.values() for name in _names_in(function.__code__)}
    called |= set(_hooks(*(each for each in cls.__mro__ if _is_ours(each))))
    return [
        name
        for name in own
        if not name.startswith("_")
        and name not in called
        and not isinstance(inspect.getattr_static(cls, name), property)
    ]


def _meant(name: str, work: str, missing: Sequence[str]) -> str:
    """The missing method that the author meant by a name. Empty if there is none."""
    if work in missing:
        words = name.lower().split("_")
        if any(word.startswith(_WORK) for word in words) or likely(name, [work]):
            return work
    for hook in missing:
        if name in _OTHER_NAMES.get(hook, ()) or (hook != work and likely(name, [hook], ALMOST)):
            return hook
    return ""


def _hooks(*bases: type) -> tuple[str, ...]:
    """The methods that the engine calls. The method that does the work comes first."""
    found = {
        name
        for base in bases
        for each in base.__mro__
        for name, value in vars(each).items()
        if isinstance(value, FunctionType) and not name.startswith("_")
    }
    return tuple(sorted(found, key=lambda name: (name in ("setup", "close"), name)))


def _is_ours(cls: type) -> bool:
    return cls.__module__.startswith(_OURS) or cls is object


def _authors(cls: type) -> Iterator[type]:
    """The author's own classes among the bases, the most general first."""
    for each in reversed(cls.__mro__):
        if not _is_ours(each):
            yield each


def _own_functions(cls: type) -> dict[str, FunctionType]:
    """The author's methods by name, also static ones, class methods and properties."""
    found: dict[str, FunctionType] = {}
    for each in _authors(cls):
        for name, value in vars(each).items():
            given: Any = value.fget if isinstance(value, property) else value
            function = inspect.unwrap(getattr(given, "__func__", given))
            if isinstance(function, FunctionType):
                found[name] = function
    return found


def _names_in(code: CodeType) -> Iterator[str]:
    """The names that a function uses, also in the functions within it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)
