"""Filesystems: where URIs lead, HDFS, block locations, reading ahead, retries, scratch directories.

Comes in: a URI. Goes out: fsspec filesystems, open files, lists of hosts.
Thread: any; a file belongs to the thread that opened it.
"""
