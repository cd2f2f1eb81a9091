"""What mrmesos costs beside what one would run instead: the same data, one run, CPU of whole trees.

`python -m benchmarks.run` measures, `python -m benchmarks.report` writes docs/performance.md.
"""
