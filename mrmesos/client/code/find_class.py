"""Finds the class of the job, or of the chain, in a script."""

from __future__ import annotations

import inspect
from types import ModuleType

from mrmesos.api.chain import Chain
from mrmesos.api.job import Job
from mrmesos.client.code.loading import Target
from mrmesos.client.terminal.errors import UsageProblem


def find_class(module: ModuleType, target: Target) -> type[Job] | type[Chain]:
    """The class that the target names; else the script's only chain, else its only job.

    Raises UsageProblem.
    """
    found = {
        name: value
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, Job | Chain) and value not in (Job, Chain)
    }
    script = target.script.name
    if target.class_name:
        wanted = getattr(module, target.class_name, None)
        if wanted is None:
            known = f" (it has {', '.join(sorted(found))})" if found else ""
            raise UsageProblem(f"{script} has no class {target.class_name}{known}")
        if not (inspect.isclass(wanted) and issubclass(wanted, Job | Chain)):
            raise UsageProblem(f"{target.class_name} in {script} is not a subclass of Job or Chain")
        return wanted
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
    return next(iter(candidates.values()))
