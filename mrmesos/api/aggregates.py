"""Ready-made reducers that run as Arrow kernels, on the map side and on the reduce side.

`reducer = Sum` is all a job needs: the engine folds a map's output by key before it is spilled
(`initial`), folds partial results whenever runs are merged (`merge`) and turns the last partial
results into values (`final`). A combiner beside an aggregate is refused as meaningless.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import pyarrow as pa


class Aggregate:
    """One fold over the values of a key, in `pyarrow` group-by functions.

    `initial` and `merge` name a function of `pyarrow.Table.group_by(...).aggregate`.
    """

    initial: ClassVar[str]
    merge: ClassVar[str]

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


class Min(Aggregate):
    """Smallest value."""

    initial = "min"
    merge = "min"


class Max(Aggregate):
    """Largest value."""

    initial = "max"
    merge = "max"
