"""Filesystems: opening URIs, HDFS, block locations, read-ahead, retries, scratch directories.

Input: a URI. Output: fsspec filesystems, open files, lists of hosts.
Thread: any; a file belongs to the thread that opened it.
"""
