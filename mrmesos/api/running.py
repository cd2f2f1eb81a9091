"""Public names for running jobs from scripts and notebooks. `mrmesos.local.run` defines them."""

from mrmesos.local.run import JobFailed, Result, run

__all__ = ["JobFailed", "Result", "run"]
