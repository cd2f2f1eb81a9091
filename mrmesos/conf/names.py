"""Other spellings of a setting's name, and what a misspelt name may mean.

`map.memory.mb` is `MRMESOS_MAP_MEMORY_MB` as a variable and `map_memory_mb` as a Python keyword.
"""

from __future__ import annotations

from collections.abc import Iterable

from mrmesos.conf.variables import VARIABLES

PREFIX = "MRMESOS_"
_HADOOP = ("mapreduce.", "mapred.", "yarn.")
_IN_CODE = {
    "textinputformat.record.delimiter": 'input_format = TextInput(delimiter=b"…")',
}
"""Settings of Hadoop that are part of a job's code here; `mrmesos streaming` knows them."""
ALMOST, NEAR = 0.85, 0.6
"""How much alike two names must be (difflib's ratio). ALMOST is for names that need not be ours."""


def python_name(name: str) -> str:
    """The setting as a Python keyword: `map_memory_mb`."""
    return name.replace(".", "_").replace("-", "_")


def variable_name(name: str) -> str:
    """The setting as a variable of the environment: `MRMESOS_MAP_MEMORY_MB`."""
    return PREFIX + python_name(name).upper()


def likely(wrong: str, known: Iterable[str], cutoff: float = NEAR) -> str:
    """The known name that is most like a wrong one. Empty if none is like it."""
    import difflib

    return next(iter(difflib.get_close_matches(wrong, list(known), n=1, cutoff=cutoff)), "")


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """`; did you mean X?`, or nothing."""
    found = likely(wrong, known)
    return f"; did you mean {found}?" if found else ""


def misspelt_setting(name: str, known: Iterable[str]) -> str:
    """The mistake in a name that is not a setting. Empty if it may be a parameter of the job.

    A name that begins like a setting (`map.`) counts as a misspelt setting.
    """
    if name in _IN_CODE:
        return f"{name} has no effect; write {_IN_CODE[name]} in the job"
    known = list(known)
    plain = name
    for prefix in _HADOOP:
        plain = plain.removeprefix(prefix)
    spelt = {python_name(each): each for each in known}
    found = spelt.get(python_name(plain.lower()), "")
    first = name.partition(".")[0]
    spaces = {each.partition(".")[0] for each in known if "." in each}
    is_meant = plain == name and "." in name and first in spaces
    found = found or likely(plain, known, NEAR if is_meant else ALMOST)
    if found:
        return f"{name} is not a setting of mrmesos; did you mean {found}?"
    if is_meant:
        return (
            f"{name} is not a setting of mrmesos; names that begin with `{first}.` are its own, so "
            "call a parameter of the job something else (docs/settings.md lists all settings)"
        )
    return ""


def misspelt_variable(variable: str, settings: Iterable[str]) -> str:
    """The mistake in a variable MRMESOS_…. Empty if it is one of ours."""
    known = [*map(variable_name, settings), *VARIABLES]
    if not variable.startswith(PREFIX) or variable in known:
        return ""
    return f"the variable {variable} is not one of mrmesos{did_you_mean(variable, known)}"
