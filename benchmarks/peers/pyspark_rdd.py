"""PySpark's RDDs with Python lambdas, local[2]."""

import sys
from operator import add
from typing import Any

from pyspark.sql import SparkSession


def wordcount(lines: Any) -> Any:
    counts = lines.flatMap(lambda line: line.split()).map(lambda word: (word, 1)).reduceByKey(add)
    return counts.map(lambda pair: f"{pair[0]}\t{pair[1]}")


def sort(lines: Any) -> Any:
    return lines.sortBy(lambda line: line[:10], numPartitions=4)


def groupsum(lines: Any) -> Any:
    def parse(line: str) -> tuple[str, int]:
        key, _, number = line.partition("\t")
        return key, int(number)

    return lines.map(parse).reduceByKey(add).map(lambda pair: f"{pair[0]}\t{pair[1]}")


def main() -> None:
    operation, source, target = sys.argv[1:4]
    builder = SparkSession.builder.master("local[2]").config("spark.driver.memory", "4g")
    session = builder.config("spark.ui.enabled", "false").getOrCreate()
    jobs = {"wordcount": wordcount, "sort": sort, "groupsum": groupsum}
    jobs[operation](session.sparkContext.textFile(source)).saveAsTextFile(target)
    session.stop()


if __name__ == "__main__":
    main()
