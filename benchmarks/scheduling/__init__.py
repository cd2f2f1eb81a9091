"""Experiments with the scheduler on a virtual clock: specifications, and a runner for all of them.

`python -m benchmarks.scheduling.run` prints the tables that docs/simulator-design.md shows.
"""
