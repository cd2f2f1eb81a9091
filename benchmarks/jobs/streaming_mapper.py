"""A streaming mapper: `word TAB 1` for each word of stdin."""

import sys

for line in sys.stdin.buffer:
    for word in line.split():
        sys.stdout.buffer.write(word + b"\t1\n")
