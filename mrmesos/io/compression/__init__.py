"""Compressed files: the table of first bytes, and files of decompressed bytes.

Input: first bytes, names, open files. Output: what a file holds, and its decompressed bytes.
Thread: any; a file belongs to the thread that opened it.
"""
