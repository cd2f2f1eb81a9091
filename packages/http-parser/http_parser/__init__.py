"""A small stand-in for the http-parser distribution: what pymesos uses of it, on httptools.

The original's C extension does not compile on Python 3.11 and later. Responses only.
"""
