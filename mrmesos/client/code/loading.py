"""Loads the job or the chain of a script. Every mistake is a UsageProblem.

load_job.py and load_chain.py do the work. They are imported only when a script is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mrmesos.api.formats import Source
from mrmesos.api.hooks import HookContext, HookFunction
from mrmesos.api.job import Job
from mrmesos.client.code.target import Target
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.conf import Conf

if TYPE_CHECKING:
    from mrmesos.client.code.job_files import JobFiles


class LoadedJob(msgspec.Struct, frozen=True):
    """A checked job, its settings (first the class's, then those of `-D`) and its pickle.

    `modules` is a zip file of the modules beside the script that the job needs. It may be empty.
    """

    name: str
    job: Job
    conf: Conf
    num_reducers: int
    code: bytes
    sources: tuple[Source, ...] = ()
    modules: bytes = b""


class LoadedStep(msgspec.Struct, frozen=True):
    """A step of a chain: its job, a hash of its code, and the steps that must be done before.

    `fused` names the steps that run in its maps; these are not among the steps of the chain.
    Sources that are outputs of steps have `step_uri(name)` in the place of URIs, and a hook reads
    NOTHING. `samples`: the step only finds the cut points of `loaded`. `cut_points` names the step
    that finds the cut points of this one.
    """

    name: str
    loaded: LoadedJob
    identity: str
    after: tuple[str, ...]
    is_last: bool
    fused: tuple[str, ...] = ()
    samples: bool = False
    cut_points: str = ""


class ClientHook(msgspec.Struct, frozen=True):
    """A hook of a chain that runs in this process. `mark` is a hash of its code."""

    function: HookFunction
    given: HookContext
    mark: str


class LoadedChain(msgspec.Struct, frozen=True):
    """A checked chain. `conf` has the settings of all steps; each has its own as well."""

    name: str
    steps: tuple[LoadedStep, ...]
    conf: Conf
    hooks: Mapping[str, ClientHook] = msgspec.field(default_factory=dict)

    @property
    def modules(self) -> bytes:
        """The script's modules, which are the same for all steps."""
        return self.steps[0].loaded.modules


NOTHING = "step:"
"""Stands for the input of a step that reads nothing."""


def step_uri(name: str) -> str:
    """Stands for the output of a step until its place is known."""
    return f"step:{name}"


def load(
    target: Target,
    overrides: Conf,
    job_args: Sequence[str],
    inputs: Sequence[str] = (),
    *,
    cached: Callable[[], Mapping[str, Path]] = dict,
    pickle_key: str = "",
) -> LoadedJob:
    """`load_target` for a script with a job. Raises UsageProblem for a chain, too."""
    loaded = load_target(target, overrides, job_args, inputs, cached=cached, pickle_key=pickle_key)
    if isinstance(loaded, LoadedChain):
        raise UsageProblem(f"{target.script.name}: {loaded.name} is a chain; name one of its jobs")
    return loaded


def load_target(
    target: Target,
    overrides: Conf,
    job_args: Sequence[str],
    inputs: Sequence[str] = (),
    *,
    cached: Callable[[], Mapping[str, Path]] = dict,
    files: JobFiles | None = None,
    pickle_key: str = "",
    site: Conf | None = None,
    output: str = "",
) -> LoadedJob | LoadedChain:
    """Import the script, find and check its job or chain, and pickle it. Raises UsageProblem.

    A job with TotalOrder samples `inputs` first to find its cut points. `cached` returns the files
    that the mapper may ask for; `pickle_key` is the job's key. An MRJob names files of its own;
    they are added to `files`. `site` has the settings of mrmesos.toml; the settings of the class
    override them. Hooks of a chain get its `output`.
    """
    site = Conf() if site is None else site
    from mrmesos.api.chain import Chain
    from mrmesos.client.code.find_class import find_class, is_mrjob
    from mrmesos.client.code.load_chain import load_chain
    from mrmesos.client.code.load_job import load_job
    from mrmesos.client.code.script import ImportedScript

    script = ImportedScript(target.script)
    cls = find_class(script.module, target)
    if is_mrjob(cls):
        from mrmesos.client.code.load_mrjob import load_mrjob

        return load_mrjob(script, cls, overrides, job_args, inputs, files, site)
    if issubclass(cls, Chain):
        return load_chain(script, cls, overrides, job_args, inputs, cached, site, output)
    return load_job(script, cls, overrides, job_args, inputs, cached, pickle_key, site)
