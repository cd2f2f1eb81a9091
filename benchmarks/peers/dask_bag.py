"""Dask's bags with two processes."""

import sys
from operator import add
from typing import Any

import dask
import dask.bag


def parse(line: str) -> tuple[str, int]:
    key, _, number = line.partition("\t")
    return key, int(number)


def key_of(pair: tuple[str, int]) -> str:
    return pair[0]


def add_number(total: int, pair: tuple[str, int]) -> int:
    return total + pair[1]


def as_line(pair: tuple[str, int]) -> str:
    return f"{pair[0]}\t{pair[1]}"


def wordcount(lines: Any) -> Any:
    return lines.str.split().flatten().frequencies()


def groupsum(lines: Any) -> Any:
    return lines.map(parse).foldby(key_of, add_number, 0, add, 0)


def main() -> None:
    operation, source, target = sys.argv[1:4]
    lines = dask.bag.read_text(source, blocksize="64MiB", encoding="utf-8")
    jobs = {"wordcount": wordcount, "groupsum": groupsum}
    with dask.config.set(scheduler="processes", num_workers=2):
        jobs[operation](lines).map(as_line).to_textfiles(f"{target}/part-*", encoding="utf-8")


if __name__ == "__main__":
    main()
