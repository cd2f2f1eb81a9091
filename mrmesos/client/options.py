"""The options of a submission, and the description of its job for the JobTracker."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from mrmesos.access.identity import current_user
from mrmesos.api.formats import input_data, output_data
from mrmesos.api.job import class_settings
from mrmesos.client.code.loading import LoadedJob
from mrmesos.client.code.target import Target
from mrmesos.conf import Conf
from mrmesos.wire.job import JobFile, JobSpec, running_python
from mrmesos.wire.trace import within_trace


class Options(msgspec.Struct, frozen=True):
    """The options of the command line."""

    target: Target
    inputs: tuple[str, ...]
    output: str
    overrides: Conf
    master: str
    jobtracker: str
    detach: bool
    local_agents: int
    report: Path | None
    verbose: bool
    job_args: tuple[str, ...]
    preview: int = 0
    quiet: bool = False
    counters: bool = True
    files: tuple[str, ...] = ()
    archives: tuple[str, ...] = ()
    py_files: tuple[str, ...] = ()
    resume: bool = False
    as_json: bool = False
    site: Conf = msgspec.field(default_factory=Conf)
    """The settings of mrmesos.toml for the job. Its class overrides them."""
    client: Conf | None = None
    """The settings that the client itself uses. If it is None, `overrides` has them."""

    service: Conf = msgspec.field(default_factory=Conf)
    """The settings for a JobTracker of its own, beside those in the job's `conf`."""

    @property
    def is_local(self) -> bool:
        """Whether the job runs on a cluster that this command starts."""
        return not self.master and not self.jobtracker

    @property
    def of_client(self) -> Conf:
        """The client's own settings, such as the token's file."""
        return self.overrides if self.client is None else self.client


def make_spec(options: Options, loaded: LoadedJob, files: tuple[JobFile, ...]) -> JobSpec:
    """Build the description of the job for the JobTracker."""
    return JobSpec(
        name=loaded.name,
        user=current_user(),
        inputs=tuple(uri for source in loaded.sources for uri in source.uris),
        output=options.output,
        input_format=input_data(loaded.job.input_format),
        output_format=output_data(loaded.job.output_format),
        num_reducers=loaded.num_reducers,
        conf=within_trace(loaded.conf, os.environ),
        code=hashlib.sha256(loaded.code).hexdigest(),
        sources=loaded.sources if loaded.job.inputs else (),
        python=running_python(),
        files=files,
        overridden=_overridden(options, loaded),
    )


def _overridden(options: Options, loaded: LoadedJob) -> tuple[str, ...]:
    """The settings that came with the submission, and not from the job's class."""
    own = class_settings(type(loaded.job))
    from_files = (name for name in options.site if name not in own)
    names = dict.fromkeys((*options.overrides, *from_files))
    return tuple(name for name in names if name in loaded.conf)
