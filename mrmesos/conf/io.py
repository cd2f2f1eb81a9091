"""Settings of a job's sort, shuffle and merge."""

from __future__ import annotations

from mrmesos.conf.declaring import declare

IO_SORT_MB = declare(
    "io.sort.mb",
    64,
    "MiB",
    "Map output held in memory before it is sorted (or folded by an aggregate) and spilled to "
    "disk.",
    minimum=1,
)
IO_SORT_FACTOR = declare(
    "io.sort.factor", 64, "runs", "Most sorted runs merged at once.", minimum=2
)
MAP_OUTPUT_CODEC = declare(
    "map.output.compress.codec", "lz4", "lz4|zstd|none", "Compression of map output."
)
SHUFFLE_PARALLELCOPIES = declare(
    "reduce.shuffle.parallelcopies",
    4,
    "connections",
    "Fetches one reduce has under way.",
    minimum=1,
)
SHUFFLE_BUFFER_MB = declare(
    "reduce.shuffle.buffer.mb",
    128,
    "MiB",
    "Fetched map output a reduce holds in memory, and so much again of what an aggregate folds; "
    "beyond it, they go to disk.",
    minimum=1,
)
SHUFFLE_FETCH_RETRIES = declare(
    "reduce.shuffle.fetch.retries",
    4,
    "tries",
    "Tries in a row at one TaskTracker's map output before it is reported as not to be had. It is "
    "tried on for as long as the JobTracker names it.",
    minimum=1,
)
SHUFFLE_CONNECT_TIMEOUT = declare(
    "reduce.shuffle.connect.timeout",
    3.0,
    "seconds",
    "Longest wait for a connection to a TaskTracker that map output is read from.",
    minimum=0.1,
)
SHUFFLE_TIMEOUT = declare(
    "reduce.shuffle.read.timeout",
    30.0,
    "seconds",
    "Longest silence of a TaskTracker that map output is read from; after it, what it should have "
    "sent is reported at once.",
    minimum=0.1,
)
