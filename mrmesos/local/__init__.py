"""Running jobs from Python: `run_job` in this process for unit tests, `run` in a child process.

Input: a job class and its inputs. Output: records, or a Result.
Thread: the caller's.
"""
