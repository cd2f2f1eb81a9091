"""How often each word occurs: a Python mapper, and an aggregate that folds what it yields."""

from collections.abc import Iterator

from mrmesos.api import Job, Mapper, Sum


class Tokenize(Mapper):
    """Yields every word of a line with the count 1."""

    def map(self, key: int, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            yield word, 1


class WordSum(Job):
    mapper, reducer = Tokenize, Sum
