"""Runs a whole job, or a chain of jobs, in this process, for unit tests.

    from mrmesos.local.run_job import run_job

    def test_word_count():
        result = run_job(WordCount, ["a rose", "is a rose"])
        assert dict(result.records) == {"a": 2, "is": 1, "rose": 2}

It uses the same maps, sort, shuffle files, merge, reduces and commit as workers on a cluster, but
no processes and no network. By default it makes several splits and two reduces. So a job fails
here if it needs all records in one task.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import overload

from mrmesos.api.chain import Chain
from mrmesos.api.job import Job, check_job
from mrmesos.local.one_job import Inputs, JobResult, run_tasks, settings_of, sources_of
from mrmesos.local.run_chain import ChainResult, run_chain

__all__ = ["ChainResult", "Inputs", "JobResult", "run_job"]

Files = Mapping[str, str | bytes | Path]


@overload
def run_job(
    job_class: type[Job],
    inputs: Inputs | Mapping[str, Inputs],
    args: Sequence[str] = ...,
    conf: Mapping[str, object] | None = ...,
    *,
    splits: int | None = ...,
    num_reducers: int | None = ...,
    files: Files | None = ...,
) -> JobResult: ...


@overload
def run_job(
    job_class: type[Chain],
    inputs: Inputs | Mapping[str, Inputs],
    args: Sequence[str] = ...,
    conf: Mapping[str, object] | None = ...,
    *,
    splits: int | None = ...,
    num_reducers: int | None = ...,
    files: Files | None = ...,
) -> ChainResult: ...


def run_job(
    job_class: type[Job] | type[Chain],
    inputs: Inputs | Mapping[str, Inputs],
    args: Sequence[str] = (),
    conf: Mapping[str, object] | None = None,
    *,
    splits: int | None = None,
    num_reducers: int | None = None,
    files: Files | None = None,
) -> JobResult | ChainResult:
    """Run `job_class` over `inputs` and return its output.

    `inputs` is text (a list of lines, one text, or `{file name: text or bytes}`), the bytes of
    one file, or `Path`s of files. A job with several inputs needs a dict of these. `args` are
    the job's command-line arguments; `conf` has the settings of `-D`. `splits` and
    `num_reducers` set `job.maps` and `job.reduces`. `files` has the files for `context.cached`
    by name: text, bytes, or the Path of a file or directory. A chain runs step by step, and
    needs a dict if its steps read named inputs.

    Raises the exception of the user's code, with a note that names file, offset and record. Raises
    JobError for wrong uses of the API; InputError, ConfError and so on as in a real run.
    """
    parser = argparse.ArgumentParser(prog=job_class.__name__)
    with tempfile.TemporaryDirectory(prefix="mrmesos-test-") as name:
        scratch = Path(name)
        if issubclass(job_class, Chain):
            job_class.add_arguments(parser)
            parsed = parser.parse_args(list(args))
            given = (conf or {}, splits, num_reducers)
            return run_chain(job_class, inputs, parsed, given, files or {}, scratch)
        check_job(job_class)
        settings = settings_of(job_class, conf or {}, {}, splits, num_reducers)
        job_class.add_arguments(parser)
        job = job_class(parser.parse_args(list(args)))
        sources = sources_of(job, inputs, scratch / "input")
        return run_tasks(job, settings, scratch, sources, files or {})
