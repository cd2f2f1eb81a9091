"""A Hadoop job of three Java classes, written anew. README.md has the Java."""

from collections.abc import Iterator

from mrmesos.api import Job, Mapper, Reducer


class MaxTemperatureMapper(Mapper):
    def map(self, offset: int, line: str) -> Iterator[tuple[str, float]]:
        year, degrees = line.split("\t")
        if degrees == "missing":
            self.context.count("Temperature", "MISSING")
            return
        yield year, float(degrees)


class MaxTemperatureReducer(Reducer):
    def reduce(self, year: str, readings: Iterator[float]) -> Iterator[tuple[str, float]]:
        yield year, max(readings)


class MaxTemperature(Job):
    mapper, combiner, reducer = MaxTemperatureMapper, MaxTemperatureReducer, MaxTemperatureReducer
