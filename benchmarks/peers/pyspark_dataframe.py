"""Spark's DataFrames, local[2]: no Python in the data's way."""

import sys
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as sql


def wordcount(session: Any, source: str) -> Any:
    words = session.read.text(source).select(sql.explode(sql.split("value", r"\s+")).alias("word"))
    return as_lines(words.where("word <> ''").groupBy("word").count())


def sort(session: Any, source: str) -> Any:
    return session.read.text(source).sort("value")


def groupsum(session: Any, source: str) -> Any:
    pairs = session.read.csv(source, sep="\t", schema="key string, n bigint", quote="")
    return as_lines(pairs.groupBy("key").agg(sql.sum("n")))


def as_lines(frame: Any) -> Any:
    return frame.select(sql.concat_ws("\t", *(sql.col(name) for name in frame.columns)))


def main() -> None:
    operation, source, target = sys.argv[1:4]
    builder = SparkSession.builder.master("local[2]").config("spark.driver.memory", "4g")
    builder = builder.config("spark.sql.shuffle.partitions", "4")
    session = builder.config("spark.ui.enabled", "false").getOrCreate()
    jobs = {"wordcount": wordcount, "sort": sort, "groupsum": groupsum}
    jobs[operation](session, source).write.text(target)
    session.stop()


if __name__ == "__main__":
    main()
