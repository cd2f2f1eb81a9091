"""Jobs from Python: `run_job` in this very process for unit tests, `run` by a submit of its own.

Comes in: a job class and inputs. Goes out: records, or a result to read.
Thread: the caller's.
"""
