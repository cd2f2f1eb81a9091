"""The JobTracker's files on disk, and its work on the users' files.

Comes in: records, uploads, splits to plan, outputs to commit. Goes out: results as events. Thread:
the core thread writes the journal; a small pool plans and commits.
"""
