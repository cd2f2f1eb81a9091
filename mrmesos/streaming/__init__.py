"""Hadoop Streaming: mappers and reducers are commands that read and write lines.

Comes in: Hadoop's command line (`options`). Goes out: an ordinary job (`job_script`), whose mapper
and reducer run the commands as child processes of a worker (`tasks`, `child`). Thread: the worker's
main thread.
"""
