#!/bin/sh
# A job of mrjob's in our workers. $1 is the operation, $2 the input, $3 the output directory; then
# settings.
set -eu
job=$(dirname "$0")/../peers/mrjob_local.py input=$2 output=$3
shift 3
exec "$PYTHON" -m mrmesos submit "$job" --input "$input" --output "$output" "$@" -- --operation wordcount
