"""A streaming reducer: the sum of each key of sorted `key TAB integer` lines."""

import sys

last, total = None, 0
for line in sys.stdin.buffer:
    key, _, number = line.partition(b"\t")
    if key == last:
        total += int(number)
        continue
    if last is not None:
        sys.stdout.buffer.write(b"%s\t%d\n" % (last, total))
    last, total = key, int(number)
if last is not None:
    sys.stdout.buffer.write(b"%s\t%d\n" % (last, total))
