"""Commit: only winners' files, after a crash at any operation; an abort leaves nothing."""

import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest

from mrmesos.io.fs.filesystem import OutputError
from mrmesos.io.fs.local import LocalFiles
from mrmesos.io.output.commit import OutputCommitter

WINNERS = ["attempt_r_0_1", "attempt_r_1_0", "attempt_r_2_0"]


class Crash(BaseException):
    """The process dies here."""


class Faulty:
    """The local filesystem that calls `fault` before and after each operation."""

    def __init__(self, fault: Callable[[int], None]) -> None:
        self.fs = LocalFiles()
        self.fault = fault
        self.operations = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.fs, name)
        if name.startswith("_"):
            return method

        def counted(*args: Any, **kwargs: Any) -> Any:
            for moment in range(2):
                self.fault(self.operations)
                self.operations += 1
                if not moment:
                    result = method(*args, **kwargs)
            return result

        return counted


def no_sleep(_: float) -> None: ...


def committer(path: Path, fs: Any = None) -> OutputCommitter:
    return OutputCommitter(str(path), fs=fs, sleep=no_sleep)


def run_attempts(out: OutputCommitter) -> None:
    """Three winners, one of them with two files, and the files of losers."""
    out.setup_job()
    for attempt, files in {
        "attempt_r_0_0": {"part-r-00000": b"a loser's"},
        "attempt_r_0_1": {"part-r-00000": b"zero\n"},
        "attempt_r_1_0": {"part-r-00001": b""},
        "attempt_r_2_0": {"part-r-00002": b"two\n", "more/x": b"side\n"},
        "attempt_r_2_1": {},
    }.items():
        directory = out.attempt_dir(attempt)
        out.fs.makedirs(directory, exist_ok=True)
        for name, data in files.items():
            out.fs.makedirs(f"{directory}/{name}".rpartition("/")[0], exist_ok=True)
            with out.fs.open(f"{directory}/{name}", "wb") as file:
                file.write(data)


def tree(path: Path) -> dict[str, bytes | None]:
    return {
        str(item.relative_to(path)): item.read_bytes() if item.is_file() else None
        for item in path.rglob("*")
    }


WANTED = {
    "_SUCCESS": b"",
    "part-r-00000": b"zero\n",
    "part-r-00001": b"",
    "part-r-00002": b"two\n",
    "more": None,
    "more/x": b"side\n",
}


def test_winners_only_and_success(tmp_path: Path) -> None:
    out = committer(tmp_path / "a" / "out")
    out.check_absent()
    run_attempts(out)
    out.commit_job(WINNERS)
    assert tree(tmp_path / "a" / "out") == WANTED
    out.commit_job(WINNERS)
    out.abort_job()
    assert tree(tmp_path / "a" / "out") == WANTED


def operations_of_a_commit(path: Path) -> int:
    run_attempts(committer(path))
    counting = Faulty(lambda _: None)
    committer(path, counting).commit_job(WINNERS)
    return counting.operations


def many_winners(out: OutputCommitter, count: int) -> list[str]:
    """`count` winners with one file each, and as many losers."""
    out.setup_job()
    for number in range(2 * count):
        directory = Path(out.attempt_dir(f"attempt_m_{number % count}_{number // count}"))
        directory.mkdir()
        (directory / f"part-m-{number % count:05d}").write_text(f"{number}\n")
    return [f"attempt_m_{number}_1" for number in range(count)]


def test_many_winners_at_a_time(tmp_path: Path) -> None:
    out = committer(tmp_path / "out")
    out.commit_job(many_winners(out, 300))
    found = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
    wanted = {f"part-m-{number:05d}": f"{300 + number}\n" for number in range(300)}
    assert found == {**wanted, "_SUCCESS": ""}


@pytest.mark.parametrize("again", ["commit", "abort"])
def test_one_of_many_moves_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: str
) -> None:
    out = committer(tmp_path / "out")
    winners = many_winners(out, 300)
    move = LocalFiles.mv

    def failing(self: LocalFiles, source: str, target: str) -> None:
        if target.endswith("00150"):
            raise PermissionError(errno.EACCES, "Permission denied")
        move(self, source, target)

    with monkeypatch.context() as patch:
        patch.setattr(LocalFiles, "mv", failing)
        with pytest.raises(OutputError, match="cannot be committed: Permission denied"):
            out.commit_job(winners)
    assert not (tmp_path / "out" / "_SUCCESS").exists()
    if again == "abort":
        committer(tmp_path / "out").abort_job()
        assert not (tmp_path / "out").exists()
        return
    committer(tmp_path / "out").commit_job([])
    assert (tmp_path / "out" / "part-m-00150").read_text() == "450\n"
    assert len(list((tmp_path / "out").iterdir())) == 301


def test_a_crash_at_any_operation_is_repaired_by_repeating(tmp_path: Path) -> None:
    count = operations_of_a_commit(tmp_path / "count")
    assert count > 20
    for crash_at in range(count):
        path = tmp_path / f"out{crash_at}"
        run_attempts(committer(path))

        def fault(operation: int, crash_at: int = crash_at) -> None:
            if operation == crash_at:
                raise Crash

        with pytest.raises(Crash):
            committer(path, Faulty(fault)).commit_job(WINNERS)
        # A reader that sees _SUCCESS sees everything.
        if (path / "_SUCCESS").exists():
            assert {name for name in tree(path) if name != "_commit.json"} == set(WANTED)
        committer(path).commit_job(WINNERS)
        assert tree(path) == WANTED, f"after a crash at operation {crash_at}"


def test_a_crash_and_then_an_abort_leaves_nothing_or_all(tmp_path: Path) -> None:
    count = operations_of_a_commit(tmp_path / "count")
    for crash_at in range(0, count, 3):
        path = tmp_path / f"out{crash_at}"
        run_attempts(committer(path))

        def fault(operation: int, crash_at: int = crash_at) -> None:
            if operation == crash_at:
                raise Crash

        with pytest.raises(Crash):
            committer(path, Faulty(fault)).commit_job(WINNERS)
        if (path / "_SUCCESS").exists():
            continue
        left = {"more": None} if (path / "more").exists() else {}
        committer(path).abort_job()
        assert not path.exists() or tree(path) == left


def test_half_a_copy_is_made_again(tmp_path: Path) -> None:
    """On filesystems whose move is a copy and a delete."""
    path = tmp_path / "out"
    run_attempts(committer(path))

    class Dies(Faulty):
        def mv(self, source: str, target: str) -> None:
            Path(target).write_bytes(Path(source).read_bytes()[:1])
            raise Crash

    with pytest.raises(Crash):
        committer(path, Dies(lambda _: None)).commit_job(WINNERS)
    committer(path).commit_job(WINNERS)
    assert tree(path) == WANTED


def test_a_move_that_did_not_happen_is_noticed(tmp_path: Path) -> None:
    run_attempts(committer(tmp_path / "out"))

    class Lies(Faulty):
        def mv(self, source: str, target: str) -> None: ...

    with pytest.raises(OutputError, match="out: output cannot be committed: No such file"):
        committer(tmp_path / "out", Lies(lambda _: None)).commit_job(WINNERS)
    assert not (tmp_path / "out" / "_SUCCESS").exists()
    committer(tmp_path / "out").commit_job(WINNERS)
    assert tree(tmp_path / "out") == WANTED


def test_something_else_in_a_winners_place(tmp_path: Path) -> None:
    path = tmp_path / "out"
    run_attempts(committer(path))
    (path / "part-r-00001" / "sub").mkdir(parents=True)
    committer(path).commit_job(WINNERS)  # nobody but the job writes here
    assert tree(path) == WANTED


def test_a_plan_cut_short_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "out"
    run_attempts(committer(path))
    (path / "_commit.json").write_bytes(b'[{"source":"_temp')
    committer(path).commit_job(WINNERS)
    assert tree(path) == WANTED


def test_passing_trouble_is_tried_again_and_lasting_is_not(tmp_path: Path) -> None:
    path = tmp_path / "out"
    run_attempts(committer(path))
    failed: set[int] = set()

    def flaky(operation: int) -> None:
        if operation % 5 == 0 and operation not in failed:
            failed.add(operation)
            raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")

    committer(path, Faulty(flaky)).commit_job(WINNERS)
    assert tree(path) == WANTED
    assert failed

    def full(operation: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    fs = Faulty(full)
    with pytest.raises(OutputError, match=r"out2: output cannot be created: No space left"):
        committer(tmp_path / "out2", fs).setup_job()
    assert fs.operations == 0

    def down(operation: int) -> None:
        tries.append(operation)
        raise TimeoutError("no answer")

    tries: list[int] = []
    with pytest.raises(OutputError, match="no answer"):
        committer(tmp_path / "out2", Faulty(down)).setup_job()
    assert len(tries) == 5


@pytest.mark.parametrize("gone", [True, False])
def test_cleaning_up_beside_others(tmp_path: Path, gone: bool) -> None:
    """A stopped attempt still writes a file, or another process cleans up too."""

    class Busy(Faulty):
        tries = 0

        def rm(self, path: str, recursive: bool) -> None:
            self.tries += 1
            if self.tries < 3:
                raise FileNotFoundError(path) if gone else OSError(errno.ENOTEMPTY, "Not empty")
            self.fs.rm(path, recursive=recursive)

    out = committer(tmp_path / "out", Busy(lambda _: None))
    run_attempts(out)
    out.abort_job()
    assert list(tmp_path.iterdir()) == []


def test_abort_leaves_nothing_of_ours_and_all_of_others(tmp_path: Path) -> None:
    out = committer(tmp_path / "out")
    run_attempts(out)
    out.abort_job()
    out.abort_job()
    assert list(tmp_path.iterdir()) == []
    run_attempts(out)
    (tmp_path / "out" / "note").write_text("mine")
    out.abort_job()
    assert tree(tmp_path / "out") == {"note": b"mine"}


def test_lost_files_and_collisions_are_errors_before_any_move(tmp_path: Path) -> None:
    path = tmp_path / "out"
    run_attempts(committer(path))
    with pytest.raises(OutputError, match="attempt_r_9_0 are lost"):
        committer(path).commit_job([*WINNERS, "attempt_r_9_0"])
    with pytest.raises(OutputError, match=r"part-r-00000.*collide"):
        committer(path).commit_job([*WINNERS, "attempt_r_0_0"])
    assert [item.name for item in path.iterdir()] == ["_temporary"]
    committer(path).abort_job()
    with pytest.raises(OutputError, match="are lost; was the output removed"):
        committer(path).commit_job(WINNERS)


def test_existing_outputs_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("empty", "file", "link"):
        with pytest.raises(OutputError, match=f"{name}: output exists already; remove it or"):
            committer(tmp_path / name).check_absent()


def test_impossible_places_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    out = committer(tmp_path / "file" / "deep" / "out")
    with pytest.raises(
        OutputError, match=r"file is not a directory; name another output"
    ) as caught:
        out.check_absent()
    assert "\n" not in str(caught.value)
    with pytest.raises(OutputError, match=r"deep/out: output cannot be created: Not a directory;"):
        out.setup_job()
    with pytest.raises(OutputError, match=r"/proc/out: output cannot be created"):
        OutputCommitter("/proc/out").setup_job()


def as_nobody(action: Callable[[], None]) -> str:
    """The exception of `action`, run as an ordinary user, because root may write anywhere."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setuid(65534)
            action()
            os.write(writing, b"nothing raised")
        except BaseException as exc:  # noqa: BLE001 (it is what the test looks at)
            os.write(writing, f"{type(exc).__name__}: {exc}".encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        said = file.read().decode()
    os.waitpid(child, 0)
    return said


def test_read_only_places_are_refused() -> None:
    with tempfile.TemporaryDirectory() as name:  # tmp_path is closed to other users
        place = Path(name)
        place.chmod(0o555)
        out = committer(place / "a" / "out")
        assert as_nobody(out.check_absent) == (
            f"OutputError: {place}/a/out: cannot be created: {place} is not writable; "
            "name another output"
        )
        assert as_nobody(out.setup_job).startswith(
            f"OutputError: {place}/a/out: output cannot be created: Permission denied; check"
        )
        place.chmod(0o755)


def test_unknown_schemes_are_output_errors() -> None:
    with pytest.raises(OutputError, match="nope://x/out"):
        OutputCommitter("nope://x/out")


def test_other_filesystems() -> None:
    fs = fsspec.filesystem("memory")
    out = OutputCommitter("memory://commit/out", sleep=no_sleep)
    try:
        out.check_absent()
        run_attempts(out)
        with pytest.raises(OutputError, match="exists already"):
            out.check_absent()
        out.commit_job(WINNERS)
        names = {name.removeprefix("/commit/out/") for name in fs.find("/commit/out")}
        assert names == {name for name, data in WANTED.items() if data is not None}
        out.abort_job()
        again = OutputCommitter("memory://commit/again", sleep=no_sleep)
        run_attempts(again)
        again.abort_job()
        assert not fs.exists("/commit/again")
    finally:
        fs.rm("/commit", recursive=True)
