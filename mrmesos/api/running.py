"""The public names of runs from scripts and notebooks; they stand in `mrmesos.local.run`."""

from mrmesos.local.run import JobFailed, Result, run

__all__ = ["JobFailed", "Result", "run"]
