"""The top-level modules that mrmesos itself needs. Users' files must not hide them.

This takes a second, so it runs only when a file beside a script has the name of an installed
module.
"""

from __future__ import annotations

import re
from functools import cache

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_EXTRA = re.compile(r"\bextra\s*==")


@cache
def engine_modules() -> frozenset[str]:
    """The modules of all installed packages that mrmesos and its extras require."""
    from importlib import metadata  # takes time to import

    needed, unread = set[str](), ["mrmesos"]
    while unread:
        name = unread.pop()
        if name in needed:
            continue
        needed.add(name)
        unread += _required(name)
    return frozenset(
        module
        for module, owners in metadata.packages_distributions().items()
        if needed & set(map(_normal, owners))
    )


def _required(name: str) -> list[str]:
    from importlib import metadata

    try:
        lines = metadata.requires(name) or []
    except metadata.PackageNotFoundError:  # an extra that is not installed
        return []
    wanted = [line for line in lines if name == "mrmesos" or not _EXTRA.search(line)]
    return [_normal(found[0]) for found in map(_NAME.match, wanted) if found is not None]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
