"""Outputs that are replaced: the old one stays until all tasks have succeeded."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from mrmesos.api.formats import TextInput
from mrmesos.conf import Conf
from mrmesos.io.fs.filesystem import InputError, OutputError
from mrmesos.io.input.splits import plan_splits
from mrmesos.io.output.commit import OutputCommitter
from tests.io.output.test_commit import WANTED, WINNERS, Crash, Faulty, no_sleep, run_attempts, tree

OLD = {"_SUCCESS": b"", "part-r-00000": b"old\n", "part-r-00009": b"old\n", "sub": None}
OLD |= {"sub/x": b"old\n"}


def committer(path: Path | str, fs: Faulty | None = None) -> OutputCommitter:
    return OutputCommitter(str(path), overwrite=True, fs=fs, sleep=no_sleep)


def old_output(path: Path) -> None:
    (path / "sub").mkdir(parents=True)
    for name, data in OLD.items():
        if data is not None:
            (path / name).write_bytes(data)


def test_the_old_output_stays_until_the_commit(tmp_path: Path) -> None:
    path = tmp_path / "out"
    old_output(path)
    out = committer(path)
    out.check_absent()
    run_attempts(out)
    assert OLD.items() <= tree(path).items()
    out.abort_job()
    assert tree(path) == OLD
    run_attempts(out)
    out.commit_job(WINNERS)
    assert tree(path) == WANTED
    out.commit_job(WINNERS)
    out.abort_job()
    assert tree(path) == WANTED


def test_nothing_has_to_be_there(tmp_path: Path) -> None:
    for path in (tmp_path / "new", tmp_path):
        out = committer(path)
        out.check_absent()
    (tmp_path / "new").mkdir()
    out = committer(tmp_path / "new")
    run_attempts(out)
    out.commit_job(WINNERS)
    assert tree(tmp_path / "new") == WANTED


def crash_points(tmp_path: Path) -> list[int]:
    old_output(tmp_path / "count")
    run_attempts(committer(tmp_path / "count"))
    counting = Faulty(lambda _: None)
    committer(tmp_path / "count", counting).commit_job(WINNERS)
    assert counting.operations > 30
    return list(range(counting.operations))


def crash(path: Path, at: int) -> None:
    def fault(operation: int) -> None:
        if operation == at:
            raise Crash

    old_output(path)
    run_attempts(committer(path))
    with pytest.raises(Crash):
        committer(path, Faulty(fault)).commit_job(WINNERS)


def test_a_crash_at_any_operation_is_repaired_by_repeating(tmp_path: Path) -> None:
    for at in crash_points(tmp_path):
        path = tmp_path / f"out{at}"
        crash(path, at)
        if (path / "_SUCCESS").exists():  # whoever sees it sees the old output whole, or the new
            parts = {name for name in tree(path) if not name.startswith("_")}
            assert parts in ({n for n in OLD if n[0] != "_"}, {n for n in WANTED if n[0] != "_"})
        committer(path).commit_job(WINNERS)
        assert tree(path) == WANTED, f"after a crash at operation {at}"


def test_a_crash_and_then_an_abort_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    for at in crash_points(tmp_path):
        path = tmp_path / f"out{at}"
        crash(path, at)
        committer(path).abort_job()
        found = {name: data for name, data in tree(path).items() if name != "_commit.json"}
        if found == OLD | {"more": None}:  # a directory of the new one, empty
            continue
        assert found in (OLD, WANTED), f"after a crash at operation {at}"


def test_a_half_committed_output_is_no_input(tmp_path: Path) -> None:
    path = tmp_path / "out"
    old_output(path)
    run_attempts(committer(path))
    moves = []

    class Dies(Faulty):
        def mv(self, source: str, target: str, **kwargs: bool) -> None:
            moves.append(target)
            if len(moves) == 5:
                raise Crash
            self.fs.mv(source, target, **kwargs)

    with pytest.raises(Crash):
        committer(path, Dies(lambda _: None)).commit_job(WINNERS)
    with pytest.raises(InputError, match="commit is not complete"):
        plan_splits([str(path)], TextInput(), Conf({}))


def test_what_is_no_finished_output_is_not_overwritten(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="not a finished output of a job; remove it yourself"):
        committer(mine).check_absent()
    with pytest.raises(OutputError, match="exists already"):
        committer(mine / "thesis.txt").check_absent()
    old_output(tmp_path / "busy")
    run_attempts(committer(tmp_path / "busy"))
    with pytest.raises(OutputError, match="another job writes there"):
        committer(tmp_path / "busy").check_absent()


def test_stores_without_directories(tmp_path: Path) -> None:
    fs = fsspec.filesystem("memory")
    fs.pipe({f"/overwrite/out/{name}": data for name, data in OLD.items() if data is not None})
    try:
        out = committer("memory://overwrite/out")
        out.check_absent()
        run_attempts(out)
        out.commit_job(WINNERS)
        names = {name.removeprefix("/overwrite/out/") for name in fs.find("/overwrite/out")}
        assert names == {name for name, data in WANTED.items() if data is not None}
    finally:
        fs.rm("/overwrite", recursive=True)
