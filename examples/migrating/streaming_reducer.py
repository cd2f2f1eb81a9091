#!/usr/bin/env python3
"""A reducer for Hadoop Streaming: the highest temperature of each year."""

import sys
from itertools import groupby

pairs = (line.rstrip("\n").split("\t") for line in sys.stdin)
for year, readings in groupby(pairs, key=lambda pair: pair[0]):
    print(year, max(float(degrees) for _, degrees in readings), sep="\t")
