#!/bin/sh
# `mrmesos streaming`. $1 is the operation, $2 the input, $3 the output directory; then settings.
set -eu
jobs=$(dirname "$0") input=$2 output=$3
shift 3
exec "$PYTHON" -m mrmesos streaming "$@" -input "$input" -output "$output" \
  -files "$jobs/streaming_mapper.py,$jobs/streaming_reducer.py" \
  -mapper "$PYTHON streaming_mapper.py" -reducer "$PYTHON streaming_reducer.py"
