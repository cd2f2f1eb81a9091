"""The jobs of the chaos run and their inputs. Tasks take about a second, so faults hit many.

`mrmesos submit` loads this file, too.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from mrmesos.api import (
    BatchMapper,
    BatchReducer,
    CsvInput,
    Input,
    Job,
    JsonLinesInput,
    JsonLinesOutput,
    Mapper,
    Reducer,
    TextInput,
    TextOutput,
    TotalOrder,
    pairs,
)

FILES, CUSTOMERS = 12, 200
CUSTOMER, SALE = 0, 1
PAUSE_SECONDS = 0.6
SMALL = {
    "job.maps": str(FILES),
    "map.cpus": "0.45",
    "reduce.cpus": "0.45",
    "map.memory.mb": "256",
    "reduce.memory.mb": "256",
    "io.sort.mb": "1",
}


def pause() -> None:
    """Make a task last a little."""
    time.sleep(PAUSE_SECONDS)


class Tokenize(Mapper):
    def setup(self) -> None:
        pause()

    def map(self, key: int, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            yield word, 1


class Total(Reducer):
    def setup(self) -> None:
        pause()

    def reduce(self, word: str, counts: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield word, sum(counts)


class WordCount(Job):
    mapper, reducer = Tokenize, Total
    num_reducers = 4
    conf = SMALL


class Lines(BatchMapper):
    def setup(self) -> None:
        pause()

    def map_batch(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        yield pairs(batch.column("value"), pa.nulls(batch.num_rows))


class Sorted(BatchReducer):
    def setup(self) -> None:
        pause()


class Ranges(TotalOrder):
    samples = 2000  # few, so all are read and the ranges are equal on a busy machine


class Sort(Job):
    mapper, reducer, partitioner = Lines, Sorted, Ranges
    input_format, output_format = TextInput(encoding=""), TextOutput()
    num_reducers = 4
    conf = SMALL


class Customers(Mapper):
    def map(self, key: int, row: dict[str, Any]) -> Iterator[Any]:
        yield (row["id"], CUSTOMER), row["country"]


class Sales(Mapper):
    def setup(self) -> None:
        pause()

    def map(self, key: int, sale: dict[str, Any]) -> Iterator[Any]:
        yield (sale["customer"], SALE), sale["amount"]


class SalesByCountry(Reducer):
    def setup(self) -> None:
        pause()

    def reduce(self, key: tuple[str, int], values: Iterator[Any]) -> Iterator[Any]:
        customer, kind = key
        if kind != CUSTOMER:
            unknown = self.context.output("unknown")
            for amount in values:
                unknown.write(customer, {"customer": customer, "amount": amount})
            return
        country = next(values)
        for amount in values:
            yield None, {"country": country, "customer": customer, "amount": amount}


class Join(Job):
    inputs: ClassVar[dict[str, Input]] = {
        "customers": Input(CsvInput(), Customers),
        "sales": Input(JsonLinesInput(), Sales),
    }
    reducer = SalesByCountry
    grouping_fields = 1
    num_reducers = 4
    conf = SMALL
    output_format = JsonLinesOutput(records=True)
    outputs: ClassVar[dict[str, JsonLinesOutput]] = {"unknown": JsonLinesOutput(records=True)}


@dataclass(frozen=True, slots=True)
class Workload:
    """A job's class and its inputs, as arguments of `mrmesos submit`."""

    job: str
    inputs: tuple[str, ...]


WORKLOADS = {
    "wordcount": Workload("WordCount", ("text",)),
    "sort": Workload("Sort", ("lines",)),
    "join": Workload("Join", ("customers=customers.csv", "sales=sales")),
}


def write_inputs(directory: Path, seed: int = 0) -> None:
    """Write the inputs of all three jobs. The same seed gives the same files."""
    rng = random.Random(seed)
    for name in ("text", "lines", "sales"):
        (directory / name).mkdir()
    words = [f"word{number}" for number in range(3000)]
    for number in range(FILES):
        text = "\n".join(" ".join(rng.choices(words, k=10)) for _ in range(3000))
        (directory / "text" / f"{number:02d}.txt").write_text(f"{text}\n")
        keys = "\n".join(f"{rng.getrandbits(64):016x}{'.' * 80}" for _ in range(20_000))
        (directory / "lines" / f"{number:02d}").write_text(f"{keys}\n")
        sales = [
            {"customer": f"c{rng.randrange(CUSTOMERS + 20)}", "amount": rng.randrange(1000)}
            for _ in range(2000)
        ]
        lines = "".join(f"{json.dumps(sale)}\n" for sale in sales)
        (directory / "sales" / f"{number:02d}.json").write_text(lines)
    rows = "".join(f"c{number},name {number},land{number % 7}\n" for number in range(CUSTOMERS))
    (directory / "customers.csv").write_text(f"id,name,country\n{rows}")
