"""Ready-made reducers that run as Arrow kernels, in the map and in the reduce.

A job needs only `reducer = Sum`. The engine folds the output of a map by key as it arrives
(`initial`), folds partial results when there are many (`merge`), and turns the last partial results
into values (`final`). A job with an aggregate cannot have a combiner, because it needs none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    import pyarrow as pa

Fold = str | Mapping[str, str]
"""How to fold values: the name of a function, or one name for each column of the partial result.

Functions are `sum`, `count_all`, `count` (without None), `min`, `max`, `largest` (a list of the `n`
largest), `largest_of` (the same from such lists), and others of `pyarrow.Table.group_by`.
"""


class Aggregate:
    """One fold over the values of a key.

    `initial` folds values to a partial result, and `merge` folds several partial results to one. If
    they name several columns, a partial result is a struct of these columns, and `merge` folds each
    column separately.

    With `distinct`, every value of a key counts once. Maps then send distinct pairs of key and
    value, and the reduce folds these. Memory stays bounded for any number of values.
    """

    initial: ClassVar[Fold]
    merge: ClassVar[Fold]
    n: ClassVar[int] = 1
    distinct: ClassVar[bool] = False

    @staticmethod
    def final(value: pa.Array) -> pa.Array:
        """The final values of an array of merged partial results, elementwise."""
        return value


class Sum(Aggregate):
    """Sum of the values: exact for integers and decimals of any size, else doubles.

    Objects of other classes are added with their `+`. A sum of -0.0 alone is 0.0, as by `sum()`.
    """

    initial = "sum"
    merge = "sum"


class Count(Aggregate):
    """Number of values, nulls included."""

    initial = "count_all"
    merge = "sum"


class CountDistinct(Aggregate):
    """Number of different values, exactly; nulls are not counted (SQL's `COUNT(DISTINCT)`)."""

    initial = "count"
    merge = "sum"
    distinct = True


class Min(Aggregate):
    """Smallest value."""

    initial = "min"
    merge = "min"


class Max(Aggregate):
    """Largest value."""

    initial = "max"
    merge = "max"


class Mean(Aggregate):
    """Arithmetic mean as a double. Null if all values are null.

    Integers and decimals are summed exactly; the job fails if the sum does not fit its type.
    """

    initial: ClassVar[Fold] = {"sum": "sum", "count": "count"}
    merge: ClassVar[Fold] = {"sum": "sum", "count": "sum"}

    @staticmethod
    def final(value: pa.Array) -> pa.Array:
        """Sums divided by counts."""
        import pyarrow as pa
        import pyarrow.compute as pc

        total, count = (column.cast(pa.float64(), safe=False) for column in value.flatten())
        return pc.if_else(pc.equal(count, 0.0), None, pc.divide(total, count))


class TopK(Aggregate):
    """The `n` largest values as a list, largest first. Repeated values appear repeatedly.

    Use `reducer = TopK.of(3)`, or derive a class with `n = 3`. Values have the order of keys:
    numbers by size with NaN above them, text by code points, tuples field by field.
    """

    initial = "largest"
    merge = "largest_of"
    n = 10

    @classmethod
    def of(cls, n: int) -> type[Self]:
        """The aggregate of the `n` largest values."""
        return type(f"{cls.__name__}{n}", (cls,), {"n": n, "__module__": cls.__module__})
