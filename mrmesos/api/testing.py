"""The public name of `run_job` for unit tests of jobs, defined in `mrmesos.local.run_job`."""

from mrmesos.local.run_job import run_job

__all__ = ["run_job"]
