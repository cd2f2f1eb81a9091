"""dpark's RDDs with two processes, and four pieces."""

import os
import sys
import tempfile
from operator import add
from typing import Any

from dpark import DparkContext, conf

PIECES = 4
SPLIT_BYTES = 64 << 20


def parse(line: str) -> tuple[str, int]:
    key, _, number = line.partition("\t")
    return key, int(number)


def as_line(pair: tuple[str, int]) -> str:
    return f"{pair[0]}\t{pair[1]}"


def wordcount(lines: Any) -> Any:
    words = lines.flatMap(lambda line: line.split()).map(lambda word: (word, 1))
    return words.reduceByKey(add, PIECES).map(as_line)


def sort(lines: Any) -> Any:
    return lines.sort(key=lambda line: line[:10], numSplits=PIECES)


def groupsum(lines: Any) -> Any:
    return lines.map(parse).reduceByKey(add, PIECES).map(as_line)


def main() -> None:
    operation, source, target = sys.argv[1:4]
    sys.argv[1:] = ["--master", "process", "--parallel", "2", "--quiet"]  # dpark reads them
    conf.DPARK_WORK_DIR = os.environ["TMPDIR"]
    tempfile.tempdir = "/tmp"  # for sockets of multiprocessing, whose paths must be short
    lines = DparkContext().textFile(source, splitSize=SPLIT_BYTES)
    jobs = {"wordcount": wordcount, "sort": sort, "groupsum": groupsum}
    jobs[operation](lines).saveAsTextFile(target)


if __name__ == "__main__":
    main()
