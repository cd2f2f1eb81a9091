"""An inverted index: for each word, the files with that word, most occurrences first."""

import argparse
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from mrmesos.api import Job, Mapper, Reducer

WORD = re.compile(r"[^\W\d_]+")


class Occurrences(Mapper):
    """For each word of a line: the word, and a count for the line's file."""

    def setup(self) -> None:
        self.shortest: int = self.context.args.min_length

    def map(self, key: int, line: str) -> Iterator[tuple[str, tuple[str, int]]]:
        name = PurePosixPath(self.context.input_uri).name
        for word, count in Counter(WORD.findall(line.lower())).items():
            if len(word) >= self.shortest:
                yield word, (name, count)


class Merge(Reducer):
    """One count for each file of a word: fewer pairs to sort and send."""

    def reduce(
        self, word: str, counts: Iterator[tuple[str, int]]
    ) -> Iterator[tuple[str, tuple[str, int]]]:
        for item in total(counts).items():
            yield word, item


class Postings(Reducer):
    """A word and its files as `name:count`, in one line."""

    def reduce(self, word: str, counts: Iterator[tuple[str, int]]) -> Iterator[tuple[str, str]]:
        files = sorted(total(counts).items(), key=lambda item: (-item[1], item[0]))
        yield word, " ".join(f"{name}:{count}" for name, count in files)


def total(counts: Iterator[tuple[str, int]]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for name, count in counts:
        sums[name] += count
    return sums


class InvertedIndex(Job):
    mapper, combiner, reducer = Occurrences, Merge, Postings

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--min-length", type=int, default=1, help="leave out shorter words")
