#!/usr/bin/env python3
"""A mapper for Hadoop Streaming: the year and the temperature of each reading."""

import sys

for line in sys.stdin:
    year, degrees = line.rstrip("\n").split("\t")
    print(year, degrees, sep="\t")
