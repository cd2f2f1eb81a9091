#!/bin/sh
# The mapper and reducer of a streaming job as a pipeline. $2 is the input, $3 the output directory.
set -eu
jobs=$(dirname "$0")/../jobs
mkdir "$3"
cat "$2" | "$PYTHON" "$jobs/streaming_mapper.py" | LC_ALL=C sort -S 1G |
  "$PYTHON" "$jobs/streaming_reducer.py" >"$3/part-0"
