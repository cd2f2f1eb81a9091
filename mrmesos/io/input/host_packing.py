"""Splits that follow the blocks of a filesystem: cut at blocks, packed by host."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

from msgspec.structs import replace

from mrmesos.api.split import FileSlice, Split
from mrmesos.io.fs.block_locations import BlockLocation, Blocks

MAX_HOSTS = 12
"""Most hosts of a split: about three replicas, each by name and by address."""

Sized = tuple[FileSlice, int]
"""A slice and its size in bytes. The slice itself has no size if it is a whole file."""
Pack = Callable[[Iterable[Sized]], Iterable[Split]]


def pieces(size: int, goal: int, blocks: Sequence[BlockLocation]) -> Iterator[tuple[int, int]]:
    """Start and length of slices of at most `goal` bytes, each within one block.

    The slices cover every byte of the file once, even if `blocks` is wrong or incomplete.
    """
    starts = sorted({0, *(block.start for block in blocks if 0 < block.start < size)})
    for start, end in pairwise([*starts, size]):
        for begin in range(start, end, goal):
            yield begin, min(goal, end - begin)


def pack_by_host(slices: Sequence[Sized], goal: int, blocks: Blocks, pack: Pack) -> list[Split]:
    """Pack small slices of one host into splits of about `goal` bytes, then `pack` the rest.

    A slice of more than half of `goal` is its own split. Hosts take turns, so that no host gets
    everything (as in Hadoop's CombineFileInputFormat). The splits are ordered by their first slice,
    and the slices within a split keep their order.
    """
    place = {piece: index for index, (piece, _) in enumerate(slices)}
    groups, rest = _grouped(slices, goal, blocks)
    splits = [split for group in groups for split in pack([slices[index] for index in group])]
    splits += pack([slices[index] for index in rest])
    splits.sort(key=lambda split: place[split.slices[0]])
    return [replace(split, hosts=hosts_of(split.slices, blocks)) for split in splits]


def _grouped(
    slices: Sequence[Sized], goal: int, blocks: Blocks
) -> tuple[list[list[int]], list[int]]:
    """The groups of slice indexes that form splits, and the indexes of the remaining slices."""
    groups: list[list[int]] = []
    left: set[int] = set()
    waiting: dict[str, deque[int]] = {}
    held: dict[str, int] = {}
    hosts: dict[int, tuple[str, ...]] = {}
    for index, (piece, length) in enumerate(slices):
        if 2 * length > goal:
            groups.append([index])
            continue
        left.add(index)
        hosts[index] = hosts_of([piece], blocks)
        for host in hosts[index]:
            waiting.setdefault(host, deque()).append(index)
            held[host] = held.get(host, 0) + length
    turns = deque(waiting)
    while turns:
        host = turns.popleft()
        if 2 * held[host] <= goal:
            continue
        group: list[int] = []
        size = 0
        while waiting[host] and size < goal:
            index = waiting[host].popleft()
            if index not in left:
                continue
            length = slices[index][1]
            if group and size + length > goal:
                waiting[host].appendleft(index)
                break
            group.append(index)
            size += length
            left.discard(index)
            for other in hosts[index]:
                held[other] -= length
        groups.append(group)
        turns.append(host)
    return groups, sorted(left)


def hosts_of(slices: Iterable[FileSlice], blocks: Blocks) -> tuple[str, ...]:
    """The hosts that store these bytes, those with the most first. Each has at least half of the
    most.
    """
    stored: dict[str, int] = {}
    for piece in slices:
        end = sys.maxsize if piece.length < 0 else piece.start + piece.length
        for block in blocks.get(piece.uri, ()):
            common = min(end, block.start + block.length) - max(piece.start, block.start)
            for host in block.hosts if common > 0 else ():
                stored[host] = stored.get(host, 0) + common
    best = max(stored.values(), default=0)
    good = [host for host, count in stored.items() if 2 * count >= best]
    # The sort is stable: hosts with equal bytes keep the NameNode's order.
    good.sort(key=lambda host: -stored[host])
    return tuple(good[:MAX_HOSTS])
