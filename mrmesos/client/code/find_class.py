"""Finds the class of the job, the chain or the MRJob in a script."""

from __future__ import annotations

import inspect
import sys
from types import ModuleType
from typing import Any, cast

from mrmesos.api.chain import Chain
from mrmesos.api.job import Job
from mrmesos.client.code.target import Target
from mrmesos.client.terminal.errors import UsageProblem


def is_mrjob(value: object) -> bool:
    """Whether this is a class of mrjob. Imports mrjob only if such a class exists."""
    base = getattr(sys.modules.get("mrjob.job"), "MRJob", None)
    return base is not None and inspect.isclass(value) and issubclass(value, base)


def _is_target(value: object) -> bool:
    if not inspect.isclass(value) or value in (Job, Chain):
        return False
    return issubclass(value, Job | Chain) or (is_mrjob(value) and value.__module__ != "mrjob.job")


def find_class(module: ModuleType, target: Target) -> type[Any]:
    """The class that the target names. Without a name: the script's only chain, else its only job
    or MRJob.

    Raises UsageProblem.
    """
    found = {name: value for name, value in vars(module).items() if _is_target(value)}
    script = target.script.name
    if target.class_name:
        wanted = getattr(module, target.class_name, None)
        if wanted is None:
            known = f" (it has {', '.join(sorted(found))})" if found else ""
            raise UsageProblem(f"{script} has no class {target.class_name}{known}")
        if not _is_target(wanted):
            raise UsageProblem(f"{target.class_name} in {script} is not a subclass of Job or Chain")
        return cast(type[Any], wanted)
    own = {name: cls for name, cls in found.items() if cls.__module__ == module.__name__}
    candidates = own or found
    chains = {name: cls for name, cls in candidates.items() if issubclass(cls, Chain)}
    candidates = {**chains} or candidates  # the jobs beside a chain are its steps
    if not candidates:
        raise UsageProblem(f"{script} defines no subclass of mrmesos.api.Job")
    if len(set(candidates.values())) > 1:
        names = sorted(candidates)
        kind = "chains" if chains else "jobs"
        raise UsageProblem(
            f"{script} defines several {kind}: {', '.join(names)}; "
            f"name one: --class {names[0]} or {script}:{names[0]}"
        )
    found_class: type[Any] = next(iter(candidates.values()))
    return found_class
