#!/bin/sh
# GNU sort, by bytes. $1 is the operation, $2 the input, $3 the output directory.
set -eu
test "$1" = sort
mkdir "$3"
LC_ALL=C exec sort --parallel=2 -S 1G -T "$3" -o "$3/part-0" "$2"
