"""`job.reduces=auto`: the number of reduces, from the size of the input.

It becomes a number before anything depends on it: cut points of TotalOrder, fused steps of chains,
and the job's description. So every rule for a number also holds for `auto`. Hive does the same
(`hive.exec.reducers.bytes.per.reducer`). Thread: any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.conf import AUTO, JOB_REDUCES, Conf

BYTES_PER_REDUCE = 128 << 20
"""There are as many reduces as maps of `split.maxsize`. So a reduce reads about as much as a map
has written, and has about as much memory for it.
"""
MOST = 1000


def reduces_for(size: int) -> int:
    """The number of reduces for an input of this many bytes."""
    return min(MOST, max(1, -(-size // BYTES_PER_REDUCE)))


def decided(conf: Conf, size: Callable[[], int] | None) -> Conf:
    """The settings with a number of reduces. `size` returns the bytes of the input. It is None for
    a job without a reducer, because such a job has no reduces.
    """
    if conf.get(JOB_REDUCES.name, "").strip() != AUTO:
        return conf
    if size is None:
        return conf.without(JOB_REDUCES)
    return conf.merged({JOB_REDUCES.name: str(reduces_for(size()))})


def input_bytes(uris: Iterable[str]) -> int:
    """The bytes of all files, as they are stored. Raises UsageProblem if one is missing."""
    from mrmesos.io.fs.filesystem import InputError
    from mrmesos.io.input.splits import expand_inputs

    try:
        return sum(max(0, file.size) for file in expand_inputs(list(uris)))
    except InputError as problem:
        raise UsageProblem(str(problem)) from problem
