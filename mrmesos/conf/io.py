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
    "io.sort.factor", 64, "runs", "Most sorted runs that one merge reads.", minimum=2
)
MAP_OUTPUT_CODEC = declare(
    "map.output.compress.codec", "lz4", "lz4|zstd|none", "Compression of map output."
)
SHUFFLE_PARALLELCOPIES = declare(
    "reduce.shuffle.parallelcopies",
    4,
    "connections",
    "Parallel fetches of one reduce.",
    minimum=1,
)
SHUFFLE_BUFFER_MB = declare(
    "reduce.shuffle.buffer.mb",
    128,
    "MiB",
    "Memory of a reduce for fetched map output. An aggregate uses as much again for its fold. Data "
    "beyond it goes to disk.",
    minimum=1,
)
SHUFFLE_FETCH_RETRIES = declare(
    "reduce.shuffle.fetch.retries",
    4,
    "tries",
    "Failed tries in a row at one TaskTracker before a reduce reports its map output as lost. The "
    "reduce keeps trying as long as the JobTracker names this TaskTracker.",
    minimum=1,
)
SHUFFLE_CONNECT_TIMEOUT = declare(
    "reduce.shuffle.connect.timeout",
    3.0,
    "seconds",
    "Longest wait for a connection to a TaskTracker during the shuffle.",
    minimum=0.1,
)
SHUFFLE_TIMEOUT = declare(
    "reduce.shuffle.read.timeout",
    30.0,
    "seconds",
    "Longest silence of a TaskTracker during a fetch. After it, the reduce reports the map output "
    "at once.",
    minimum=0.1,
)
