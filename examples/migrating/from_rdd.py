"""A chain of calls on an RDD, written anew. The RDD (dpark, PySpark):

(sc.textFile("readings.txt")
   .map(lambda line: line.split("\\t"))
   .filter(lambda pair: pair[1] != "missing")
   .mapValues(float)
   .reduceByKey(max)
   .saveAsTextFile("highest"))
"""

from collections.abc import Iterator

from mrmesos.api import Job, Mapper, Max


class Readings(Mapper):
    """The calls before `reduceByKey`: map, filter, mapValues."""

    def map(self, offset: int, line: str) -> Iterator[tuple[str, float]]:
        year, degrees = line.split("\t")
        if degrees != "missing":
            yield year, float(degrees)


class Highest(Job):
    mapper, reducer = Readings, Max  # reduceByKey(max)
