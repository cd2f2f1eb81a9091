"""Expansion of inputs: what a shell's glob sees, on every store, or an error that names a place."""

import contextlib
import glob
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import fsspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mrmesos.api.job import Job
from mrmesos.client.code.inputs import sources_of
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.io.fs.filesystem import InputError
from mrmesos.io.fs.local import LocalFiles
from mrmesos.io.input.patterns import TooMany, braces, comma_list, uri_list
from mrmesos.io.input.splits import expand_inputs, part_files

NOBODY = 65534


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Root may read everything; the kernel asks for the effective user."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def here() -> Iterator[Path]:
    """A directory that anybody may enter; `tmp_path` is its owner's."""
    place = Path(tempfile.mkdtemp(prefix="mrmesos-test-patterns-"))
    place.chmod(0o755)
    yield place
    for directory, _, _ in os.walk(place):
        Path(directory).chmod(0o700)
    shutil.rmtree(place)


def make(here: Path, *names: str) -> None:
    for name in names:
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text(name)


def names(here: Path, *uris: str) -> list[str]:
    return [
        os.path.relpath(info.uri, here) for info in expand_inputs([f"{here}/{u}" for u in uris])
    ]


@pytest.mark.parametrize("pattern", ["**", "*/*.txt", "**/*.txt", "secret/*", "secret", "{ok,s*}"])
def test_a_directory_that_cannot_be_listed_is_an_error(here: Path, pattern: str) -> None:
    make(here, "ok/1.txt", "secret/2.txt")
    (here / "secret").chmod(0)
    with (
        as_nobody(),
        pytest.raises(InputError, match=r"secret cannot be listed: Permission denied"),
    ):
        names(here, pattern)
    assert names(here, "ok/*", "o*") == ["ok/1.txt", "ok/1.txt"]


def test_linked_directories_are_followed(here: Path) -> None:
    make(here, "data/2024/a.txt", "other/b.txt", "other/deep/c.txt")
    (here / "data/2025").symlink_to(here / "other")
    assert names(here, "data/*/*.txt") == ["data/2024/a.txt", "data/2025/b.txt"]
    found = ["data/2024/a.txt", "data/2025/b.txt", "data/2025/deep/c.txt"]
    assert (
        names(here, "data/**") == names(here, "data/**/*.txt") == names(here, "data/**/*") == found
    )


def test_links_in_a_circle_end(here: Path) -> None:
    make(here, "d/a.txt", "d/e/b.txt")
    (here / "d/up").symlink_to(here / "d")
    (here / "d/e/top").symlink_to("..")
    (here / "d/self").symlink_to("self")
    assert names(here, "d/**/*.txt") == ["d/a.txt", "d/e/b.txt"]
    assert names(here, "d/up/up/e/*.txt") == ["d/up/up/e/b.txt"]
    with pytest.raises(InputError, match="d/self is a link to a file that does not exist"):
        names(here, "d/**")


def test_a_matched_directory_stands_for_its_files(here: Path) -> None:
    make(here, "x/day=1/a", "x/y/day=2/b", "x/y/day=2/_c")
    assert names(here, "x/**/day=*") == ["x/day=1/a", "x/y/day=2/b"]
    make(here, "x/day=1/deep/d")
    with pytest.raises(InputError, match=r"contains the directory .*day=1/deep"):
        names(here, "x/**/day=*")


def test_names_and_their_files_may_be_spelled(here: Path) -> None:
    make(here, "d/_tmp/a", "d/.x/b", "d/c", "e_f")
    assert names(here, "**") == ["d/c", "e_f"]
    assert names(here, "**/_tmp/*", "*/.*/b") == ["d/.x/b", "d/_tmp/a"]


@pytest.mark.parametrize(
    ("uri", "wanted"),
    [
        ("{2024,2025}/*.gz", ["2024/a.gz", "2025/b.gz"]),
        ("202{4,5}/{a,b}*", ["2024/a.gz", "2025/b.gz"]),
        ("{2024/{a,x*},2025/b}.gz", ["2024/a.gz", "2025/b.gz"]),
        ("*/*.{gz,zst}", ["2024/a.gz", "2025/b.gz", "2025/c.zst"]),
        ("{2024,202*}/*.gz", ["2024/a.gz", "2025/b.gz"]),
        ("2025/[b,]*", ["2025/b.gz"]),
        ("2024,2025", ["2024/a.gz", "2025/b.gz", "2025/c.zst"]),
        ("2024/{a,b*}.gz,2025/*.zst", ["2024/a.gz", "2025/c.zst"]),
        ("{x,y}", ["{x,y}"]),
        ("p,q", ["p,q"]),
        ("p,q,{x,y}", None),
    ],
)
def test_braces_and_commas(
    here: Path, monkeypatch: pytest.MonkeyPatch, uri: str, wanted: list[str] | None
) -> None:
    make(here, "2024/a.gz", "2025/b.gz", "2025/c.zst", "{x,y}", "p,q")
    monkeypatch.chdir(here)

    def seen() -> list[str]:
        [source] = sources_of(Job, [uri])
        return [os.path.relpath(info.uri, here) for info in expand_inputs(source.uris)]

    if wanted is None:  # the list as a whole does not exist, so each part has to
        with pytest.raises(InputError, match="/p: input does not exist"):
            seen()
    else:
        assert seen() == wanted
        assert [os.path.relpath(info.uri, here) for info in expand_inputs([uri])] == wanted


def test_both_ways_to_say_not(here: Path) -> None:
    make(here, "a", "b", "^", "!", "[", "x]")
    for pattern in ("[!a]", "[^a]"):
        assert names(here, pattern) == ["!", "[", "^", "b"]
    assert names(here, "[a^]") == ["^", "a"]
    assert names(here, "[^]a]") == ["!", "[", "^", "b"]
    assert names(here, "x[]]") == names(here, "x[^a]") == ["x]"]
    assert names(here, "[[^]") == ["[", "^"]


@pytest.mark.parametrize("given", ["", ",", " "])
def test_an_input_that_names_nothing_is_refused(given: str) -> None:
    with pytest.raises((UsageProblem, InputError), match=r"names no file|does not exist"):
        expand_inputs(sources_of(Job, [given])[0].uris)


def test_parts_of_lists_and_alternatives_that_are_missing(here: Path) -> None:
    make(here, "a/x", "b/y")
    with pytest.raises(InputError, match="/c does not exist"):
        names(here, "{a,c}")
    with pytest.raises(InputError, match="no file matches"):
        names(here, "{c,d}*")
    with pytest.raises(InputError, match="more than 10000 patterns"):
        names(here, "{a,b}" * 20)
    with pytest.raises(InputError, match="If it is a list, b has no scheme"):
        expand_inputs([f"file://{here}/a,b"])
    assert names(here, f"a,{here}/b", f"a,file://{here}/b") == ["a/x", "a/x", "b/y", "b/y"]
    with pytest.raises(InputError, match="does not exist"):
        expand_inputs([f"{here}/" + ",".join(["nothing"] * 900)])


def test_part_files_are_those_of_a_literal_directory(here: Path) -> None:
    make(here, "o[1],{a,b}/part-0", "o[1],{a,b}/x", "o1/part-7")
    assert [info.size for info in part_files(str(here / "o[1],{a,b}"))] == [17]
    assert part_files(str(here / "o[1]")) == part_files(str(here / "o1/part-7")) == []


def test_text() -> None:
    assert uri_list("a,b,s3://x/y,z,hdfs://n/a") == ["a,b", "s3://x/y,z", "hdfs://n/a"]
    assert comma_list("a,{b,c},[d,e]f,") == ["a", "{b,c}", "[d,e]f"]
    assert comma_list("a{b,c") == ["a{b", "c"]
    assert braces("a{b,c{d,e}}f{,g}") == ["abf", "abfg", "acdf", "acdfg", "acef", "acefg"]
    assert braces("{a}{b") == ["{a}{b"]
    assert braces("{{a,b}}") == ["{a}", "{b}"]
    with pytest.raises(TooMany):
        braces("{a,b}" * 30)


class _Failing:
    """A store whose every call fails once before it succeeds, or for ever."""

    def __init__(self, fs: Any, error: Exception, once: bool) -> None:
        self._fs, self._error, self._once = fs, error, once
        self._seen: set[tuple[str, str]] = set()

    def wrap(self, name: str, wanted: Callable[[str], bool]) -> Callable[..., Any]:
        function = getattr(self._fs, name)

        def call(path: str, **options: Any) -> Any:
            if wanted(path) and not (self._once and (name, path) in self._seen):
                self._seen.add((name, path))
                raise self._error
            return function(path, **options)

        return call


@pytest.mark.parametrize("name", ["ls", "info"])
def test_a_listing_that_fails_for_a_moment_is_tried_again(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    fs = fsspec.filesystem("memory")
    fs.pipe({"/moments/a/x": b"1", "/moments/b/y": b"2"})
    try:
        failing = _Failing(fs, ConnectionResetError("away"), once=True)
        with monkeypatch.context() as patched:
            patched.setattr(fs, name, failing.wrap(name, lambda path: True))
            assert len(expand_inputs(["memory://moments/*/*"])) == 2
            assert len(expand_inputs(["memory://moments/**"])) == 2
        failing = _Failing(fs, ConnectionResetError("away"), once=False)
        with monkeypatch.context() as patched:
            patched.setattr(fs, "ls", failing.wrap("ls", lambda path: path.endswith("/b")))
            for pattern in ("*", "*/*", "**", "**/y"):
                with pytest.raises(InputError, match="memory:///moments/b cannot be listed: away"):
                    expand_inputs([f"memory://moments/{pattern}"])
    finally:
        fs.rm("/moments", recursive=True)


# Any tree and any pattern, against Python's own glob.
#
# A tree is a list: of what kind each entry is, in which of the directories so far, by which name.
# Directories are numbered as they are made. Links lead to directories of higher numbers (so none
# goes round, and glob ends), to files, or to nothing.

NAMES = ("a", "b", "ab", ".h", "c.txt", "d[1]")
PARTS = ("*", "**", "a", "b", "a*", "?", "[ab]", "*b", ".*", "*.txt", "[!a]*", "c.txt")
entries = st.lists(
    st.tuples(
        st.sampled_from(["file", "file", "dir", "dir", "dir", "link", "broken"]),
        st.integers(0, 9),
        st.sampled_from(NAMES),
        st.integers(0, 9),
    ),
    max_size=14,
)
patterns = st.lists(st.sampled_from(PARTS), min_size=1, max_size=4).map("/".join)
modes = st.dictionaries(st.integers(1, 9), st.sampled_from([0o000, 0o300, 0o400]), max_size=2)


def plant(root: Path, tree: Sequence[tuple[str, int, str, int]]) -> list[Path]:
    """Make the tree; its directories in the order of their numbers."""
    made = [root]
    links = []
    for kind, where, name, target in tree:
        path = made[where % len(made)] / name
        if os.path.lexists(path):
            continue
        if kind == "dir":
            path.mkdir()
            made.append(path)
        elif kind == "file":
            path.write_text("x")
        elif kind == "broken":
            path.symlink_to("nothing-here")
        else:
            links.append((path, where % len(made), target))
    for path, number, target in links:
        higher = made[number + 1 :]
        if higher and not os.path.lexists(path):
            path.symlink_to(higher[target % len(higher)])
    return made


BROKEN = "is a link to a file that does not exist"
DENIED = " cannot be listed: Permission denied"
REASONS = (BROKEN, "no file matches", "input does not exist", "contains the directory")


def by_glob(root: Path, pattern: str) -> list[str] | str:
    """The files that Python's glob finds, or why the pattern is no input."""
    matched = glob.glob(pattern, root_dir=root, recursive=True)  # noqa: PTH207 (follows links)
    # Before 3.13, Python takes `c.txt/**` to match a file c.txt. No shell does, nor do we.
    matched = [name for name in matched if not name.endswith("/") or (root / name).is_dir()]
    found = sorted({name.rstrip("/") for name in matched})
    parts = pattern.split("/")
    if parts[-1] == "**":
        found = [name for name in found if name and not (root / name).is_dir()]
    if any(not (root / name).exists() for name in found):
        return BROKEN
    if not found:
        return "no file matches" if glob.has_magic(pattern) else "input does not exist"
    deep, files = "**" in parts, []
    for name in found:
        if not (root / name).is_dir():
            files.append(name)
            continue
        for child in sorted((root / name).iterdir()):
            if child.name.startswith("."):
                continue
            if not child.exists():
                return BROKEN
            if not child.is_dir():
                files.append(f"{name}/{child.name}")
            elif not (deep and f"{name}/{child.name}" in found):
                return "contains the directory"
    return sorted(set(files) if deep else files)


@settings(deadline=None, max_examples=150)
@given(tree=entries, pattern=patterns, closed=modes)
@example(tree=[("file", 0, "c.txt", 0)], pattern="c.txt/**", closed={})
def test_any_tree_and_any_pattern(
    tree: list[tuple[str, int, str, int]], pattern: str, closed: dict[int, int]
) -> None:
    with tempfile.TemporaryDirectory(prefix="mrmesos-test-patterns-") as scratch:
        root = Path(scratch)
        root.chmod(0o755)
        made = plant(root, tree)
        wanted = by_glob(root, pattern)
        shut = {made[number]: mode for number, mode in closed.items() if number < len(made)}
        was = {path: path.stat().st_mode for path in shut}
        try:
            for path, mode in reversed(list(shut.items())):
                path.chmod(mode)
            with as_nobody():
                seen: list[str] | str
                try:
                    seen = names(root, pattern)
                except InputError as problem:
                    seen = str(problem)
        finally:
            for path, mode in sorted(was.items()):
                path.chmod(mode)
        if isinstance(seen, list):
            assert seen == wanted
        elif seen.endswith(DENIED):
            place = Path(seen.removesuffix(DENIED).split()[-1]).resolve()
            assert {path.resolve() for path in shut} & {place, *place.parents}, seen
        else:
            assert isinstance(wanted, str), (wanted, seen)
            assert any(reason in seen for reason in REASONS), seen


@settings(deadline=None, max_examples=60)
@given(tree=entries, targets=st.lists(st.tuples(*[st.integers(0, 9)] * 2), max_size=4))
def test_any_links_end_and_lose_nothing(
    tree: list[tuple[str, int, str, int]], targets: list[tuple[int, int]]
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        made = plant(root, [one for one in tree if one[0] in ("file", "dir") and one[2] != ".h"])
        for number, (where, target) in enumerate(targets):
            place = made[where % len(made)] / f"link{number}"
            place.symlink_to(made[target % len(made)])
        wanted = {file.resolve() for file in root.rglob("*") if file.is_file()}
        if not wanted:
            with pytest.raises(InputError, match="no file matches"):
                names(root, "**")
            return
        seen = names(root, "**")
        assert {(root / name).resolve() for name in seen} == wanted
        assert len(seen) == len(set(seen))


@pytest.mark.parametrize("pattern", ["in", "in/*", "in/**"])
def test_every_link_is_followed_once(
    pattern: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "in").mkdir()
    links = [tmp_path / "in" / f"{number}.txt" for number in range(5)]
    for link in links:
        (tmp_path / "real" / link.name).write_text("x")
        link.symlink_to(tmp_path / "real" / link.name)
    asked: Counter[str] = Counter()
    info = LocalFiles.info

    def counted(self: LocalFiles, path: Any, **more: Any) -> Any:
        if isinstance(path, str):  # a listing asks with entries of the directory
            asked[path] += 1
        return info(self, path, **more)

    monkeypatch.setattr(LocalFiles, "info", counted)
    assert len(expand_inputs([f"{tmp_path}/{pattern}"])) == 5
    assert [asked[str(link)] for link in links] == [1] * 5
