"""Pickling of user code with its file names and sources, and loading it in workers.

Input: a job and the modules that define it. Output: bytes; in the worker, the job again.
Thread: the client's, then the worker's main thread.
"""
