"""Settings of a job's sort, shuffle and merge."""

from __future__ import annotations

from mrmesos.conf.declaring import AUTO, AUTO_VALUE, declare

IO_SORT_MB = declare(
    "io.sort.mb",
    AUTO_VALUE,
    "MiB",
    "Map output held in memory before it is sorted (or folded by an aggregate) and spilled to "
    "disk. A record counts 32 bytes more than its columns. `auto`: a quarter of `map.memory.mb` "
    "less 160 MiB, at least 8 MiB.",
    minimum=1,
    auto=True,
)
IO_SORT_FACTOR = declare(
    "io.sort.factor", 64, "runs", "Most sorted runs that one merge reads.", minimum=2
)
MAP_OUTPUT_CODEC = declare(
    "map.output.compress.codec",
    AUTO,
    "auto|lz4|zstd|none",
    "Compression of map output. `auto`: lz4 for each partition of a map's output whose sample "
    "becomes a third smaller by it. Output that stays on one machine (TaskTrackers at loopback "
    "addresses) and is not larger than its memory is then not compressed.",
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
    AUTO_VALUE,
    "MiB",
    "Memory of a reduce for fetched map output. An aggregate uses as much again for its fold. Data "
    "beyond it goes to disk. `auto`: a fifth of `reduce.memory.mb` less 160 MiB, at least 8 MiB.",
    minimum=1,
    auto=True,
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
