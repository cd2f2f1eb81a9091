"""Inputs and splits: which files a URI names, where they are cut, how they are packed."""

import os
import re
from pathlib import Path

import fsspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mrmesos.api.formats import TextInput
from mrmesos.api.split import FileSlice, Split
from mrmesos.conf import Conf
from mrmesos.io.fs.filesystem import InputError
from mrmesos.io.input.splits import (
    OPENING_BYTES,
    SMALL_INPUT_BYTES,
    FileInfo,
    expand_inputs,
    plan_splits,
)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    for name in ("a.txt", "b.txt", "_SUCCESS", ".hidden", "deep/c.txt", "deep/_log/d.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "void").mkdir()
    return tmp_path


def names(here: Path, *uris: str) -> list[str]:
    files = expand_inputs([str(here / uri) for uri in uris])
    return [os.path.relpath(info.uri, here) for info in files]


@pytest.mark.parametrize(
    ("uris", "wanted"),
    [
        (["a.txt"], ["a.txt"]),
        (["b.txt", "a.txt", "b.txt"], ["a.txt", "b.txt", "b.txt"]),
        (["*.txt"], ["a.txt", "b.txt"]),
        (["[ac]*", "?.txt"], ["a.txt", "a.txt", "b.txt"]),
        (["deep/*.txt"], ["deep/c.txt"]),
        (["d*/"], ["deep/c.txt"]),
        (["**"], ["a.txt", "b.txt", "deep/c.txt"]),
        (["**/*.txt"], ["a.txt", "b.txt", "deep/c.txt"]),
        (["deep/_log"], ["deep/_log/d.txt"]),
        (["deep/_log/*"], ["deep/_log/d.txt"]),
        (["*/_l*/*"], ["deep/_log/d.txt"]),
        (["_SUCCESS", ".hidden"], [".hidden", "_SUCCESS"]),
        (["void"], []),
        (["v*"], []),
    ],
)
def test_expansion(here: Path, uris: list[str], wanted: list[str]) -> None:
    assert names(here, *uris) == wanted


def test_directories_in_directories_are_named_with_the_remedy(here: Path) -> None:
    (here / "in" / "sub").mkdir(parents=True)
    top = re.escape(str(here / "in"))
    words = rf"{top}: contains the directory \S*{top}/sub; to read it too, .* \S*{top}/\*\*$"
    with pytest.raises(InputError, match=words):
        names(here, "in")
    with pytest.raises(InputError, match="in/sub"):
        names(here, "i*")
    with pytest.raises(InputError, match="no file matches"):
        names(here, "in/**")


def test_missing_inputs(here: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere: input does not exist"):
        names(here, "nowhere")
    with pytest.raises(InputError, match=r"a.txt/x: input does not exist"):
        names(here, "a.txt/x")
    with pytest.raises(InputError, match=r"\*\.csv: no file matches this pattern"):
        names(here, "*.csv")
    with pytest.raises(InputError, match="memory://nowhere: input does not exist"):
        expand_inputs(["memory://nowhere"])


def test_names_that_look_like_patterns_are_literal_first(here: Path) -> None:
    (here / "a[1]*.txt").write_text("x")
    assert names(here, "a[1]*.txt") == ["a[1]*.txt"]


def test_links_are_followed_and_special_files_refused(here: Path) -> None:
    (here / "in").mkdir()
    (here / "in" / "link").symlink_to(here / "a.txt")
    assert names(here, "in", "in/l*") == ["in/link", "in/link"]
    assert expand_inputs([str(here / "in")])[0].size == 5
    os.mkfifo(here / "in" / "pipe")
    with pytest.raises(InputError, match="in/pipe is neither a file nor a directory"):
        names(here, "in")
    (here / "in" / "pipe").unlink()
    (here / "in" / "dangling").symlink_to(here / "gone")
    with pytest.raises(InputError, match="dangling is a link to a file that does not exist"):
        names(here, "in")
    (here / "in" / "dangling").unlink()
    (here / "in" / "linkdir").symlink_to(here / "void")
    with pytest.raises(InputError, match=r"contains the directory .*linkdir"):
        names(here, "in")


def test_names_that_no_message_can_carry(here: Path) -> None:
    (here / "in").mkdir()
    Path(os.fsdecode(os.fsencode(here / "in") + b"/\xff")).write_text("")
    with pytest.raises(InputError, match="not UTF-8"):
        names(here, "in")


def test_other_filesystems() -> None:
    fs = fsspec.filesystem("memory")
    fs.pipe({"/splits/a": b"12", "/splits/_b": b"", "/splits/c.gz": b"345"})
    try:
        wanted = [
            FileInfo("memory:///splits/a", 2, True),
            FileInfo("memory:///splits/c.gz", 3, False),
        ]
        assert expand_inputs(["memory://splits"]) == wanted
        assert expand_inputs(["memory://splits/*"]) == wanted
        fs.pipe("/splits/deep/x", b"")
        with pytest.raises(InputError, match="memory:///splits/deep"):
            expand_inputs(["memory://splits"])
    finally:
        fs.rm("/splits", recursive=True)


def plan(here: Path, sizes: dict[str, int], **conf: int) -> list[Split]:
    here.mkdir(exist_ok=True)
    for old in here.iterdir():
        old.unlink()
    for name, size in sizes.items():
        with (here / name).open("wb") as file:
            file.truncate(size)
    given_conf = {name.replace("_", "."): str(value) for name, value in conf.items()}
    return plan_splits([str(here)], TextInput(), Conf(given_conf))


def test_one_file_is_cut_into_the_maps_asked_for(tmp_path: Path) -> None:
    splits = plan(tmp_path, {"a": 1000}, job_maps=8)
    assert [split.length for split in splits] == [125] * 8
    uri = str(tmp_path / "a")
    assert splits[1].slices == (FileSlice(uri, 125, 125),)
    assert len(plan(tmp_path, {"a": 1 << 30}, job_maps=2)) == 8
    assert len(plan(tmp_path, {"a": 10}, job_maps=1, split_maxsize=3)) == 4


def test_splits_have_a_least_size(tmp_path: Path) -> None:
    splits = plan(tmp_path, {"a": 1000}, job_maps=8, split_minsize=300)
    assert [split.length for split in splits] == [300, 300, 300, 100], "not 8 of 125 bytes"
    assert len(plan(tmp_path, {"a": 1000}, split_minsize=300, split_maxsize=100)) == 10


def test_a_small_input_is_one_map_unless_the_job_wants_more(tmp_path: Path) -> None:
    assert len(plan(tmp_path, {"a": 1000, "b": 24})) == 1
    assert len(plan(tmp_path, {"a": SMALL_INPUT_BYTES - OPENING_BYTES - 1})) == 1
    assert len(plan(tmp_path, {"a": SMALL_INPUT_BYTES - OPENING_BYTES})) == 2
    assert len(plan(tmp_path, {f"{i:03d}": 10 for i in range(100)})) == 2
    assert len(plan(tmp_path, {"a": 1000}, job_maps=2)) == 2


def test_many_small_files_share_splits(tmp_path: Path) -> None:
    splits = plan(tmp_path, {f"{i:04d}": 1000 + i % 7 for i in range(1800)}, job_maps=8)
    assert len(splits) == 8
    sizes = [split.length for split in splits]
    assert max(sizes) - min(sizes) <= 2 * 1006
    assert sum(len(split.slices) for split in splits) <= 1810


def test_compressed_and_empty_files(tmp_path: Path) -> None:
    splits = plan(tmp_path, {"a.gz": 500, "b": 0, "c.gz": 0, "d.zst": 3, "e": 7}, job_maps=5)
    assert [[Path(piece.uri).name for piece in split.slices] for split in splits] == [
        ["a.gz"],
        ["d.zst", "e"],
    ]
    assert splits[0].slices[0] == FileSlice(str(tmp_path / "a.gz"), 0, -1)
    assert plan(tmp_path, {"a": 0}) == plan(tmp_path, {}) == []


def test_too_many_splits_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    conf = Conf({"split.maxsize": "1", "job.maps.max": "100"})
    with pytest.raises(InputError, match=r"job\.maps\.max=100 splits.*raise split\.maxsize"):
        plan_splits([str(path)], TextInput(), conf)


def test_formats_are_checked_before_anything_starts(here: Path) -> None:
    with pytest.raises(InputError, match="klingon"):
        plan_splits([str(here / "a.txt")], TextInput("klingon"), Conf())


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.integers(0, 300), max_size=12),
    maps=st.integers(1, 20),
    most=st.integers(1, 200),
)
def test_every_byte_is_in_exactly_one_split(
    tmp_path: Path, sizes: list[int], maps: int, most: int
) -> None:
    files = {f"{i:02d}": size for i, size in enumerate(sizes)}
    splits = plan(tmp_path / "in", files, job_maps=maps, split_maxsize=most)
    at = [(split, piece) for split in splits for piece in split.slices]
    covered: dict[str, int] = {}
    for _, piece in at:
        assert piece.start == covered.get(piece.uri, 0)
        assert piece.length > 0
        covered[piece.uri] = piece.start + piece.length
    assert covered == {str(tmp_path / "in" / name): size for name, size in files.items() if size}
    for split in splits:
        assert split.length == sum(piece.length for piece in split.slices) <= most


def test_so_many_lines_of_a_file_for_each_map(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"1\n22\r\n333\n4444\n55555")
    (tmp_path / "b.txt").write_bytes(b"x\n")
    (tmp_path / "c.txt.gz").write_bytes(b"packed")
    (tmp_path / "d.txt").write_bytes(b"")
    found = plan_splits([str(tmp_path)], TextInput(lines_per_map=2), Conf({"job.maps": "1"}))
    cuts = [(Path(s.slices[0].uri).name, s.slices[0].start, s.slices[0].length) for s in found]
    assert cuts == [
        ("a.txt", 0, 6),
        ("a.txt", 6, 9),
        ("a.txt", 15, 5),
        ("b.txt", 0, 2),
        ("c.txt.gz", 0, -1),
    ]
    assert all(len(split.slices) == 1 for split in found)


def test_too_many_maps_of_few_lines_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x\n" * 11)
    with pytest.raises(InputError, match=r"more than job\.maps\.max=10"):
        plan_splits([str(tmp_path)], TextInput(lines_per_map=1), Conf({"job.maps.max": "10"}))
