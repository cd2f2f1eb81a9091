"""The sum of the numbers in a file with one number per line, added in ten tasks."""

from collections.abc import Iterator

from mrmesos.api import Job, Mapper, Sum


class Numbers(Mapper):
    """Yields every number under one key; counts and skips other lines."""

    def map(self, key: int, line: str) -> Iterator[tuple[str, int]]:
        try:
            yield "sum", int(line)
        except ValueError:
            self.context.count("getsum", "lines without a number")


class GetSum(Job):
    """Ten maps add their part of the file as kernels do; one reduce adds the ten sums."""

    mapper, reducer = Numbers, Sum
    num_reducers = 1
    conf = {"job.maps": 10}
