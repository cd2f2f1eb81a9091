"""Public names for running jobs from scripts and notebooks, defined in `mrmesos.local.run`."""

from mrmesos.local.run import JobFailed, Result, run

__all__ = ["JobFailed", "Result", "run"]
