"""The sizes of a task's buffers. With `auto`, they follow from the memory of its attempts. Pure."""

from __future__ import annotations

import math

from mrmesos.conf.declaring import AUTO_VALUE, Setting
from mrmesos.conf.io import IO_SORT_MB, SHUFFLE_BUFFER_MB
from mrmesos.conf.job import MAP_MEMORY_MB, REDUCE_MEMORY_MB
from mrmesos.conf.values import Conf

OWN_MB = 160
"""Memory of a worker before it has read a record, and what its batches of records take."""
SORT_ROW_BYTES = 32
"""A record takes these bytes of the sort buffer beside its columns. Sorting needs memory, too.

Hadoop counts 16 bytes. Without them, a sort of integers would take six times its buffer.
"""
_SORT_PART = 0.25
"""A sort takes up to three times its buffer for a moment. The rest is for user code."""
_REDUCE_PART = 0.2
"""A reduce of an aggregate takes up to four times as much for a moment: what it has fetched, the
fold, and the fold in order.
"""
_LEAST_MB = 8


def sort_buffer_bytes(conf: Conf) -> int:
    """The bytes of `io.sort.mb`. Raises ConfError."""
    return _bytes(conf, IO_SORT_MB, MAP_MEMORY_MB, _SORT_PART)


def reduce_buffer_bytes(conf: Conf) -> int:
    """The bytes of `reduce.shuffle.buffer.mb`. Raises ConfError."""
    return _bytes(conf, SHUFFLE_BUFFER_MB, REDUCE_MEMORY_MB, _REDUCE_PART)


def memory_mb_for_sort(buffer_mb: int) -> int:
    """The least `map.memory.mb` with such a sort buffer, if `io.sort.mb` is `auto`."""
    return OWN_MB + math.ceil(buffer_mb / _SORT_PART)


def _bytes(conf: Conf, setting: Setting[int], memory: Setting[int], part: float) -> int:
    mb = conf.get_as(setting)
    if mb == AUTO_VALUE:
        mb = max(_LEAST_MB, int(part * (conf.get_as(memory) - OWN_MB)))
    return mb << 20
