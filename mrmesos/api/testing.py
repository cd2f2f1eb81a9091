"""The public name of `run_job` for unit tests of jobs. `mrmesos.local.run_job` defines it."""

from mrmesos.local.run_job import run_job

__all__ = ["run_job"]
