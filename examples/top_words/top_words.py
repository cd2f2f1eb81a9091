"""The most frequent words of some text, in two steps: count each word, then keep the top n."""

import argparse
import heapq
from collections.abc import Iterable, Iterator

from mrmesos.api import Chain, Job, Mapper, Reducer, Sum


class Tokenize(Mapper):
    """Yields every word of a line with the count 1."""

    def map(self, key: int, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            yield word, 1


class CountWords(Job):
    """The first step: how often each word occurs."""

    mapper, reducer = Tokenize, Sum


class Candidates(Mapper):
    """Keeps the top n of its part of the words."""

    def setup(self) -> None:
        self.n = self.context.args.top
        self.found: list[tuple[int, str]] = []

    def map(self, word: str, count: int) -> None:
        self.found.append((-count, word))
        if len(self.found) >= 1000 + 10 * self.n:
            self.found = heapq.nsmallest(self.n, self.found)

    def close(self) -> Iterator[tuple[None, tuple[int, str]]]:
        for each in heapq.nsmallest(self.n, self.found):
            yield None, each


class Best(Reducer):
    """The top n of all candidates, which have one key and so go to one call."""

    def reduce(self, key: None, found: Iterable[tuple[int, str]]) -> Iterator[tuple[str, int]]:
        for count, word in heapq.nsmallest(self.context.args.top, found):
            yield word, -count


class TopWords(Job):
    """The second step: the n largest counts, in order; words with equal counts by name."""

    mapper, reducer = Candidates, Best

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--top", type=int, default=10, help="how many words to keep")


class Top(Chain):
    """Both steps. `mrmesos submit` runs this class, because it is the script's only chain."""

    steps = [CountWords, TopWords]
