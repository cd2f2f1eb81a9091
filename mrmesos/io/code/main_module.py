"""Pickling the code of `__main__` by value, because other processes cannot import it.

A notebook runs as the module `__main__`, and so does a script started with `python script.py`.
cloudpickle pickles the functions and classes of `__main__`, but not the module itself. A worker
that looks up a name in its own `__main__` would not find it. So the pickle carries these names, and
the worker puts them into its `__main__`. Processes that the worker starts get them from a stub that
`multiprocessing` imports.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import FunctionType, MappingProxyType, ModuleType
from typing import Any

import cloudpickle

from mrmesos.io.code.stubs import add_stub, pickled

MAIN = "__main__"
STUB_NAME = "mrmesos_main"
STUB = '''"""The module `__main__` in processes that user code starts."""

from mrmesos.io.code.main_module import names_in

globals().update(names_in({pickle!r}))
'''

Names = dict[str, Any]

_CACHED = type(functools.lru_cache(lambda: None))
_REGISTRY = MappingProxyType
_WORD = re.compile(r"[^\W\d]\w*")


class WithNames:
    """A value, and the names that `__main__` needs in the process that unpickles the value."""

    def __init__(self, names: Names, value: object) -> None:
        self._names, self._value = names, value

    def __reduce__(self) -> tuple[Any, ...]:
        return _place, (self._names, self._value)


def names_of(obj: object) -> Iterator[tuple[str, Any]]:
    """The names that `__main__` needs for a function or class pickled by value.

    These are the object itself, and the types that its annotations name as text.
    """
    if getattr(obj, "__module__", None) != MAIN:
        return
    main = vars(sys.modules[MAIN])
    name = getattr(obj, "__qualname__", "")
    if main.get(name) is obj:
        yield name, obj
    functions = [obj, *vars(obj).values()] if isinstance(obj, type) else [obj]
    for each in functions:
        for text in getattr(each, "__annotations__", {}).values():
            for word in _WORD.findall(text) if isinstance(text, str) else ():
                value = main.get(word)
                if isinstance(value, type | ModuleType) or type(value).__module__ == "typing":
                    yield word, value


def reduced(obj: object) -> tuple[Any, ...] | None:
    """How to pickle functions with a cache and generic functions of `__main__` by value.

    The standard library pickles them by name, and other processes do not have that name. Returns
    None for all other objects.
    """
    if isinstance(obj, _CACHED):
        if _has_a_module(obj):
            return None
        wrapped = obj.__wrapped__
        return _make_cached, (obj.cache_parameters(),), wrapped, None, None, _fill_cached
    if isinstance(obj, FunctionType) and isinstance(getattr(obj, "registry", None), _REGISTRY):
        if _has_a_module(obj) or not hasattr(obj, "dispatch"):
            return None
        registry = dict(vars(obj)["registry"])
        return _make_generic, (), registry, None, None, _fill_generic
    return None


def _has_a_module(obj: Any) -> bool:
    """Whether other processes can import `obj` from its module."""
    if obj.__module__ == MAIN or obj.__module__ in cloudpickle.list_registry_pickle_by_value():
        return False
    found: Any = sys.modules.get(obj.__module__)
    for part in obj.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is obj


class _Late:
    """A placeholder that calls a function set later.

    A cached or generic function is made first and filled afterwards, because the wrapped function
    may refer to it.
    """

    __name__ = "late"

    def __init__(self) -> None:
        self.target: Callable[..., Any] | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        assert self.target is not None
        return self.target(*args, **kwargs)


def _make_cached(parameters: Mapping[str, Any]) -> Any:
    return functools.lru_cache(**parameters)(_Late())


def _fill_cached(cached: Any, wrapped: Callable[..., Any]) -> None:
    cached.__wrapped__.target = wrapped
    functools.update_wrapper(cached, wrapped)


def _make_generic() -> Any:
    return functools.singledispatch(_Late())


def _fill_generic(generic: Any, registry: dict[type, Callable[..., Any]]) -> None:
    base = registry.pop(object)
    generic.registry[object].target = base
    for cls, function in registry.items():
        generic.register(cls, function)
    functools.update_wrapper(generic, base)


# In the process that unpickles.

_placed: Names = {}
_replaced: list[ModuleType] = []


def names_in(file: str) -> Names:
    """The names that a stub puts into its module, read from the pickle `file`."""
    cloudpickle.loads(Path(file).read_bytes())
    return _placed


def _place(names: Names, value: object) -> object:
    """Put missing names into `__main__`, and return the value."""
    before = dict(_placed)
    _placed.update(names)
    main = sys.modules[MAIN]
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name.partition(".")[0] == "mrmesos":
        _replaced.append(main)  # keep it alive: its code is still running
        main = sys.modules[MAIN] = ModuleType(MAIN)
        main.__spec__ = spec = ModuleSpec(STUB_NAME, None)
    if spec is not None and spec.name == STUB_NAME and (file := pickled()) is not None:
        add_stub(STUB_NAME, STUB.format(pickle=str(file)))
    for name, each in names.items():
        if name not in vars(main) or (name in before and vars(main)[name] is before[name]):
            vars(main)[name] = each  # a worker of a session gets one job after another
    return value
