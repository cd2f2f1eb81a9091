"""Ready-made reducers that run as Arrow kernels, on the map side and on the reduce side.

`reducer = Sum` is all a job needs: the engine folds a map's output by key as it comes (`initial`),
folds partial results whenever there are many of them (`merge`) and turns the last partial results
into values (`final`). A combiner beside an aggregate is refused as meaningless.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    import pyarrow as pa

Fold = str | Mapping[str, str]
"""How values become one: the name of a function, or one for each column of the partial result.

Functions are `sum`, `count_all`, `count` (None left out), `min`, `max`, `largest` (the `n` largest,
as a list), `largest_of` (the same from such lists), and others of `pyarrow.Table.group_by`.
"""


class Aggregate:
    """One fold over the values of a key.

    `initial` makes a partial result of values, `merge` one of several. Where they name several
    columns, a partial result is a struct of these; each column of `merge` is folded by itself.
    With `distinct`, every value of a key counts once: maps then send distinct pairs of key and
    value, and the fold is over these, in the reduce. However many they are, memory holds few.
    """

    initial: ClassVar[Fold]
    merge: ClassVar[Fold]
    n: ClassVar[int] = 1
    distinct: ClassVar[bool] = False

    @staticmethod
    def final(value: pa.Array) -> pa.Array:
        """The reduce's values from the merged partial results, elementwise."""
        return value


class Sum(Aggregate):
    """Sum of the values: integers stay 64-bit integers and fail on overflow, floats are doubles."""

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
    """Arithmetic mean as a double, of an exact sum for integers; null where all values are."""

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
    """The `n` largest values as a list, largest first; equal values are listed as often as met.

    `reducer = TopK.of(3)`, or a class derived with `n = 3`. Order is that of keys: numbers by
    size and NaN above them, text by code points, tuples field by field.
    """

    initial = "largest"
    merge = "largest_of"
    n = 10

    @classmethod
    def of(cls, n: int) -> type[Self]:
        """The aggregate of the `n` largest values."""
        return type(f"{cls.__name__}{n}", (cls,), {"n": n, "__module__": cls.__module__})
