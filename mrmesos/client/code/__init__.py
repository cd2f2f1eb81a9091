"""A job's code on its way to the cluster: load the script, pickle the job, pack what it imports.

Comes in: a script and options. Goes out: bytes and files to upload.
Thread: the caller's.
"""
