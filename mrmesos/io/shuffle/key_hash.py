"""The number of the hash of keys. It has no imports, so that the JobTracker's core may read it."""

from __future__ import annotations

KEY_HASH = 2
"""Raise it whenever a change of `hash_partition.py` gives any key another hash.

A job says with which number it began, and workers with another number refuse it: its maps would
send equal keys to different reduces. 1 is 0.1.0; 2 hashes texts and bytes differently.
"""
