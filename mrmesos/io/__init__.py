"""Bytes and Arrow: filesystems, formats and splits, map-output files, merge, output commit.

Nothing here knows of jobs in progress, Mesos or the network between trackers.
"""
