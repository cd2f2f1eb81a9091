"""Bytes and Arrow: filesystems, formats and splits, map-output files, merge, output commit.

This package knows nothing about running jobs, Mesos or the network between trackers.
"""
