"""examples/join: two inputs, two outputs, against a join in plain Python."""

from __future__ import annotations

import json

from examples.join.join import SalesByCountry
from mrmesos.api.testing import run_job


def test_join() -> None:
    customers = "id,name,country\nann,Ann,NO\nbob,Bob,SE\ncat,Cat,NO\n"
    sales = [
        {"customer": who, "amount": amount}
        for amount, who in enumerate(["ann", "zoe", "bob", "ann", "eve", "bob", "ann"])
    ]
    text = "".join(json.dumps(sale) + "\n" for sale in sales) + "no json\n"
    for splits in (2, 5):
        result = run_job(SalesByCountry, {"customers": customers, "sales": text}, splits=splits)
        rows = [row for _, row in result.records]
        country = {"ann": "NO", "bob": "SE"}
        wanted = [
            {"country": country[s["customer"]], **s} for s in sales if s["customer"] in country
        ]
        assert sorted(rows, key=lambda row: row["amount"]) == wanted
        assert result.counters["task"]["MAP_SKIPPED_RECORDS"] == 1
        unknown = [
            json.loads(line)
            for name, data in result.files.items()
            if name.startswith("unknown/part-r-")
            for line in data.splitlines()
        ]
        assert sorted(unknown, key=lambda row: row["amount"]) == [sales[1], sales[4]]
