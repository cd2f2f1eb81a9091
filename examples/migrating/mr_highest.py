"""The same for mrjob, as it is: `python mr_highest.py -r hadoop readings.txt`."""

from collections.abc import Iterator
from typing import Any

from mrjob.job import MRJob
from mrjob.protocol import TextProtocol


class MRHighest(MRJob):  # type: ignore[misc]  # mrjob has no types
    OUTPUT_PROTOCOL = TextProtocol

    def mapper(self, _: Any, line: str) -> Iterator[tuple[str, float]]:
        year, degrees = line.split("\t")
        yield year, float(degrees)

    def combiner(self, year: str, readings: Iterator[float]) -> Iterator[tuple[str, float]]:
        yield year, max(readings)

    def reducer(self, year: str, readings: Iterator[float]) -> Iterator[tuple[str, str]]:
        yield year, str(max(readings))


if __name__ == "__main__":
    MRHighest.run()
