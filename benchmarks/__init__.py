"""Compares the cost of mrmesos and other systems: the same data, CPU time of whole process trees.

`python -m benchmarks.run` measures, `python -m benchmarks.report` writes docs/performance.md.
"""
