"""Sales by customer's country: two inputs of different formats meet in the reduce."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mrmesos.api import CsvInput, Input, Job, JsonLinesInput, JsonLinesOutput, Mapper, Reducer

CUSTOMER, SALE = 0, 1


class Customers(Mapper):
    """`id,name,country` rows."""

    def map(self, key: int, row: dict[str, Any]) -> Iterator[Any]:
        yield (row["id"], CUSTOMER), row["country"]


class Sales(Mapper):
    """`{"customer": …, "amount": …}` lines."""

    def map(self, key: int, sale: dict[str, Any]) -> Iterator[Any]:
        yield (sale["customer"], SALE), sale["amount"]


class Join(Reducer):
    """Gets one customer per call: the country first, then each sale."""

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


class SalesByCountry(Job):
    inputs = {
        "customers": Input(CsvInput(), Customers),
        "sales": Input(JsonLinesInput(on_error="skip"), Sales),
    }
    reducer = Join
    grouping_fields = 1  # keys are (customer, kind): grouped by the customer, in order of the kind
    output_format = JsonLinesOutput(records=True)
    outputs = {"unknown": JsonLinesOutput(records=True)}
