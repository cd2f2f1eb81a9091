"""PageRank: each page gives its rank to the pages that it links to, again and again.

A line of the input has a page and the pages that it links to: `7 12 3 40`. Pages are numbers. Each
page has a line. Ranks are relative to the mean, which is 1.

    python pagerank.py links.txt --iterations 50 --change 1e-6
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mrmesos.api import BatchMapper, BatchReducer, Job, Session, pairs
from mrmesos.api.sessions import Result

PAGE = pa.struct([("rank", pa.float64()), ("links", pa.list_(pa.int64()))])
"""The data of a page. Without `links`, it is a part of the page's next rank."""
UNIT = 1e-15
"""Counters are whole numbers, so sums of ranks are counted in this unit, and per page."""


class ReadLinks(BatchMapper):
    """Makes pages of lines. All begin with the rank 1."""

    def map_batch(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        words = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(batch["value"]))
        numbers = words.flatten().cast(pa.int64())
        ends = np.asarray(words.offsets)
        first = np.zeros(len(numbers), bool)
        first[ends[:-1]] = True  # the first number of each line is the page itself
        links = pa.ListArray.from_arrays(
            pa.array(ends - np.arange(len(ends)), pa.int32()), numbers.filter(pa.array(~first))
        )
        self.context.count("pagerank", "pages", len(links))
        empty = np.asarray(pc.list_value_length(links)) == 0
        self.context.count("pagerank", "pages without links", int(empty.sum()))
        ranks = pa.array(np.ones(len(links)))
        yield pairs(numbers.filter(pa.array(first)), _pages(ranks, links))


class Links(Job):
    """The first job: text to pages."""

    mapper = ReadLinks


class GiveRanks(BatchMapper):
    """Yields each page, and what each page gets from all pages of this map together."""

    def setup(self) -> None:
        self.given: npt.NDArray[np.float64] = np.zeros(0)

    def map_batch(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        pages = batch["value"]
        links = pages.field("links")
        counts = np.asarray(pc.list_value_length(links))
        shares = np.asarray(pages.field("rank")) / np.maximum(counts, 1)
        to = np.asarray(links.flatten())
        given = np.bincount(to, np.repeat(shares, counts), minlength=len(self.given))
        self.given = np.pad(self.given, (0, len(given) - len(self.given))) + given
        yield batch

    def close(self) -> Iterator[pa.RecordBatch]:
        to = np.flatnonzero(self.given)
        yield pairs(pa.array(to), _pages(pa.array(self.given[to]), pa.nulls(len(to), PAGE[1].type)))


class AddRanks(BatchReducer):
    """Adds what each page got. Counts how much the ranks have changed."""

    def reduce_batch(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        keys, pages = np.asarray(batch["key"]), batch["value"]
        ranks, links = np.asarray(pages.field("rank")), pages.field("links")
        is_page = np.asarray(links.is_valid())
        starts = np.flatnonzero(np.diff(keys, prepend=keys[0] - 1))
        own = np.flatnonzero(is_page)
        if len(own) != len(starts) or (keys[own] != keys[starts]).any():
            wrong = sorted(set(keys[starts].tolist()) ^ set(keys[own].tolist()))
            raise ValueError(f"the page {wrong[:1] or 'twice'} has links to it, but not one line")
        got = np.add.reduceat(np.where(is_page, 0.0, ranks), starts)
        args = self.context.args
        new = 1.0 - args.damping + args.damping * (got + args.lost)
        kept = links.take(pa.array(own))
        lost = new[np.asarray(pc.list_value_length(kept)) == 0].sum()
        for name, amount in (("change", np.abs(new - ranks[own]).sum()), ("lost", lost)):
            self.context.count("pagerank", name, round(amount / args.pages / UNIT))
        yield pairs(pa.array(keys[starts]), _pages(pa.array(new), kept))


class Iterate(Job):
    """One iteration. `lost` is the rank of pages without links, which all pages share."""

    mapper, reducer = GiveRanks, AddRanks
    map_output_types = (pa.int64(), PAGE)


def _pages(ranks: pa.Array, links: pa.Array) -> pa.Array:
    return pa.StructArray.from_arrays([ranks, links], fields=list(PAGE))


def pagerank(
    session: Session,
    links: str,
    *,
    iterations: int = 50,
    change: float = 1e-6,
    damping: float = 0.85,
) -> tuple[Result, int]:
    """The pages with their ranks, and how many iterations it took.

    It stops when the ranks have changed by less than `change` on average, or after `iterations`.
    """
    pages = session.run(Links, links)
    counted = pages.counters["pagerank"]
    count = counted["pages"]
    lost = counted["pages without links"] / count
    for done in range(1, iterations + 1):
        args = {"damping": damping, "pages": count, "lost": lost}
        pages = session.run(Iterate, pages, args=args)
        counted = pages.counters["pagerank"]
        lost = counted["lost"] * UNIT
        if counted["change"] * UNIT < change:
            return pages, done
    return pages, iterations


def main() -> None:
    """Print the pages with the highest ranks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("links")
    parser.add_argument("--iterations", type=int, default=50)
    parser.add_argument("--change", type=float, default=1e-6)
    parser.add_argument("--top", type=int, default=10)
    args = parser.parse_args()
    with Session() as session:
        pages, done = pagerank(session, args.links, iterations=args.iterations, change=args.change)
        table = pages.to_arrow()
        ranks = table["value"].combine_chunks().field("rank")
        print(f"{len(table)} pages, {done} iterations")
        for row in pc.sort_indices(ranks, [("", "descending")])[: args.top].to_pylist():
            print(f"{table['key'][row]}\t{ranks[row].as_py():.6f}")


if __name__ == "__main__":
    main()
