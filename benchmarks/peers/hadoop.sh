#!/bin/sh
# Hadoop MapReduce in one JVM. $1 is the operation, $2 the input, $3 the output directory.
set -eu
exec java -Xmx2g -Djava.io.tmpdir="$TMPDIR" -cp "$HADOOP_PEER/classes:$HADOOP_PEER/jars/*" \
  HadoopJobs "$1" "$2" "$3"
