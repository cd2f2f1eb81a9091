"""How often each word occurs: the per-record way, a class for each step."""

from collections.abc import Iterator

from mrmesos.api import Job, Mapper, Reducer


class Tokenize(Mapper):
    """Yields every word of a line with the count 1."""

    def map(self, key: int, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            yield word, 1


class Total(Reducer):
    """A word and the sum of its counts. Input and output agree, so it is also the combiner."""

    def reduce(self, word: str, counts: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield word, sum(counts)


class WordCount(Job):
    mapper, combiner, reducer = Tokenize, Total, Total
