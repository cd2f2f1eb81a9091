"""Splits that follow blocks: they cover every byte once for any block list, and keep locality."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from mrmesos.api.split import FileSlice, Split
from mrmesos.io.fs.block_locations import BlockLocation, Blocks
from mrmesos.io.input.host_packing import hosts_of, pack_by_host, pieces

MIB = 1 << 20
hosts = st.lists(st.sampled_from(["a", "b", "c", "d"]), unique=True, max_size=3).map(tuple)
blocks_of_a_file = st.lists(
    st.builds(BlockLocation, st.integers(-5, 120), st.integers(1, 50), hosts), max_size=6
)


@given(st.integers(1, 100), st.integers(1, 40), blocks_of_a_file)
def test_pieces_are_all_bytes_once_and_in_one_block_each(
    size: int, goal: int, blocks: list[BlockLocation]
) -> None:
    found = list(pieces(size, goal, blocks))
    assert [byte for start, length in found for byte in range(start, start + length)] == list(
        range(size)
    )
    for start, length in found:
        assert 0 < length <= goal
        assert not any(start < block.start < start + length for block in blocks)


def pack(slices: Iterable[tuple[FileSlice, int]], goal: int) -> list[Split]:
    """Like the planner's packing: in order, up to about the goal."""
    splits: list[Split] = []
    held: list[FileSlice] = []
    size = 0
    for piece, length in slices:
        if held and size + length > goal:
            splits.append(Split(tuple(held), size))
            held, size = [], 0
        held.append(piece)
        size += length
    return [*splits, Split(tuple(held), size)] if held else splits


def small_files(
    count: int, length: int, stored: Sequence[tuple[str, ...]]
) -> tuple[list[tuple[FileSlice, int]], Blocks]:
    files = [(FileSlice(f"f{number:03}", 0, length), length) for number in range(count)]
    blocks = {
        piece.uri: [BlockLocation(0, length, stored[number % len(stored)])]
        for number, (piece, _) in enumerate(files)
    }
    return files, blocks


@given(st.lists(st.tuples(st.integers(1, 30), hosts), max_size=40), st.integers(1, 60))
def test_packing_keeps_every_slice_once(
    files: list[tuple[int, tuple[str, ...]]], goal: int
) -> None:
    slices = [(FileSlice(f"f{n:03}", 0, size), size) for n, (size, _) in enumerate(files)]
    blocks = {f"f{n:03}": [BlockLocation(0, size, some)] for n, (size, some) in enumerate(files)}
    splits = pack_by_host(slices, goal, blocks, partial(pack, goal=goal))
    assert sorted(piece.uri for split in splits for piece in split.slices) == [
        piece.uri for piece, _ in slices
    ]
    for split in splits:
        assert split.length == sum(piece.length for piece in split.slices)
        assert split.length <= goal or len(split.slices) == 1
        names = [piece.uri for piece in split.slices]
        assert names == sorted(names)
    firsts = [split.slices[0].uri for split in splits]
    assert firsts == sorted(firsts)


def test_small_files_go_together_by_host_and_hosts_take_turns() -> None:
    files, blocks = small_files(60, 10, [("a",), ("b",), ("c",)])
    splits = pack_by_host(files, 100, blocks, partial(pack, goal=100))
    assert len(splits) == 6
    assert sorted(split.hosts for split in splits) == [("a",)] * 2 + [("b",)] * 2 + [("c",)] * 2
    files, blocks = small_files(60, 10, [("a", "b"), ("b", "c"), ("c", "a")])
    splits = pack_by_host(files, 100, blocks, partial(pack, goal=100))
    assert {split.hosts[0] for split in splits} == {"a", "b", "c"}
    assert sum(split.length < 50 for split in splits) <= 1  # the remaining slices


def test_hosts_that_store_most_come_first_and_those_with_little_not_at_all() -> None:
    blocks = {
        "f": [
            BlockLocation(0, 100, ("a", "b")),
            BlockLocation(100, 100, ("b", "c")),
            BlockLocation(200, 30, ("d",)),
        ]
    }
    assert hosts_of([FileSlice("f", 0, 230)], blocks) == ("b", "a", "c")
    assert hosts_of([FileSlice("f", 0, -1)], blocks) == ("b", "a", "c")
    assert hosts_of([FileSlice("f", 210, 20)], blocks) == ("d",)
    assert hosts_of([FileSlice("other", 0, 10)], blocks) == ()
