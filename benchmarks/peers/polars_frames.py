"""Polars' lazy frames with two threads and its streaming engine."""

import os
import sys
from pathlib import Path

os.environ["POLARS_MAX_THREADS"] = "2"
import polars as pl


def lines(source: str) -> pl.LazyFrame:
    # The separator is a byte that occurs in no data, so that a line is one column.
    return pl.scan_csv(
        source, separator="\x01", has_header=False, quote_char=None, schema={"line": pl.String}
    )


def wordcount(source: str) -> pl.LazyFrame:
    return count_words(lines(source), pl.col("line"))


def wordcount_tabs(source: str) -> pl.LazyFrame:
    # This is cheaper than to split by a regular expression.
    return count_words(lines(source), pl.col("line").str.replace_all("\t", " ", literal=True))


def count_words(frame: pl.LazyFrame, text: pl.Expr) -> pl.LazyFrame:
    words = frame.select(text.str.split(" ").explode().alias("word"))
    return words.filter(pl.col("word") != "").group_by("word").len()


def sort(source: str) -> pl.LazyFrame:
    return lines(source).sort("line")


def groupsum(source: str) -> pl.LazyFrame:
    pairs = pl.scan_csv(
        source,
        separator="\t",
        has_header=False,
        quote_char=None,
        schema={"key": pl.String, "n": pl.Int64},
    )
    return pairs.group_by("key").agg(pl.col("n").sum())


def main() -> None:
    operation, source, target = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    target.mkdir()
    jobs = {
        "wordcount": wordcount,
        "wordcount-tabs": wordcount_tabs,
        "sort": sort,
        "groupsum": groupsum,
    }
    result = jobs[operation](source)
    result.sink_csv(
        target / "part-0",
        include_header=False,
        separator="\t",
        quote_style="never",
        engine="streaming",
    )


if __name__ == "__main__":
    main()
