"""Job files are fetched once, bounded and read-only; unused files are deleted."""

from __future__ import annotations

import asyncio
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from mrmesos.task.files.archives import BadArchive
from mrmesos.task.files.file_cache import CacheFull, FileCache
from mrmesos.wire.job import FileKind, JobFile


class Source:
    """Serves files by hash, in place of a JobTracker."""

    def __init__(self) -> None:
        self.bytes: dict[str, bytes] = {}
        self.downloads: list[str] = []
        self.fail = False

    def file(self, name: str, data: bytes, kind: FileKind = FileKind.FILE) -> JobFile:
        sha256 = hashlib.sha256(data).hexdigest()
        self.bytes[sha256] = data
        return JobFile(name=name, sha256=sha256, size=len(data), kind=kind)

    async def download(self, file: JobFile, into: Path) -> None:
        self.downloads.append(file.name)
        await asyncio.sleep(0)
        await asyncio.to_thread(into.write_bytes, self.bytes[file.sha256])
        if self.fail:
            raise OSError("cut off")


Scenario = Callable[[FileCache, Source], Coroutine[None, None, None]]


def play(root: Path, scenario: Scenario, max_bytes: int = 1 << 20) -> None:
    async def body() -> None:
        source = Source()
        await scenario(FileCache(root, source.download, max_bytes=max_bytes), source)

    asyncio.run(body())


def tar_of(files: dict[str, bytes], **links: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o644
            tar.addfile(member, io.BytesIO(data))
        for name, target in links.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    return packed.getvalue()


def test_jobs_share_what_has_the_same_bytes(tmp_path: Path) -> None:
    async def scenario(cache: FileCache, source: Source) -> None:
        one, two = source.file("one", b"same"), source.file("two", b"same")
        first, second = await asyncio.gather(cache.hold("job_1", one), cache.hold("job_2", two))
        assert first == second
        assert first.read_bytes() == b"same"
        assert first.stat().st_mode & 0o777 == 0o444
        assert len(source.downloads) == 1
        assert cache.used_bytes == 4

    play(tmp_path / "cache", scenario)


def test_unused_files_go_when_room_is_needed_and_used_ones_stay(tmp_path: Path) -> None:
    async def scenario(cache: FileCache, source: Source) -> None:
        files = [source.file(str(n), bytes([n]) * 10) for n in range(4)]
        kept = await cache.hold("job_1", files[0])
        gone = await cache.hold("job_2", files[1])
        cache.release("job_2")
        assert gone.exists()  # the next job may want it
        await cache.hold("job_3", files[2])
        assert kept.exists()
        assert not gone.exists()
        with pytest.raises(CacheFull, match=r"tasktracker\.cache\.mb"):
            await cache.hold("job_4", files[3])
        cache.release("job_4")
        cache.release("job_1")
        await cache.hold("job_4", files[3])
        assert cache.used_bytes == 20
        assert {path.name for path in tmp_path.joinpath("cache").iterdir()} == {
            files[2].sha256,
            files[3].sha256,
        }
        cache.remove_all()

    play(tmp_path / "cache", scenario, max_bytes=20)
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_fails_leaves_nothing_and_may_be_tried_again(tmp_path: Path) -> None:
    async def scenario(cache: FileCache, source: Source) -> None:
        file = source.file("x", tar_of({"a": b"a"}), FileKind.ARCHIVE)
        source.fail = True
        with pytest.raises(OSError, match="cut off"):
            await cache.hold("job_1", file)
        assert cache.used_bytes == 0
        assert list((tmp_path / "cache").iterdir()) == []
        source.fail = False
        assert (await cache.hold("job_1", file) / "a").read_bytes() == b"a"

    play(tmp_path / "cache", scenario)


def test_archives_of_both_kinds_are_unpacked_and_sealed(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("deep/plain", "x")
        program = zipfile.ZipInfo("deep/program")
        program.external_attr = 0o755 << 16
        archive.writestr(program, "#!/bin/sh\n")

    async def scenario(cache: FileCache, source: Source) -> None:
        held = await cache.hold("job_1", source.file("z", packed.getvalue(), FileKind.ARCHIVE))
        assert (held / "deep" / "plain").stat().st_mode & 0o777 == 0o444
        assert (held / "deep" / "program").stat().st_mode & 0o777 == 0o555
        tar = source.file("t", tar_of({"d/f": b"f"}, link="d/f"), FileKind.PYTHON)
        held = await cache.hold("job_1", tar)
        assert (held / "link").read_bytes() == b"f"
        module = source.file("m.py", b"X = 1", FileKind.PYTHON)
        assert (await cache.hold("job_1", module)).is_file()

    play(tmp_path / "cache", scenario)


@pytest.mark.parametrize(
    "data",
    [b"nothing of that kind", tar_of({"../out": b"x"}), tar_of({}, link="/etc/passwd")],
    ids=["no archive", "a path that leaves", "a link that leaves"],
)
def test_archives_that_are_none_or_leave_their_place_are_refused(
    tmp_path: Path, data: bytes
) -> None:
    async def scenario(cache: FileCache, source: Source) -> None:
        with pytest.raises(BadArchive):
            await cache.hold("job_1", source.file("bad", data, FileKind.ARCHIVE))
        assert cache.used_bytes == 0

    play(tmp_path / "cache", scenario)
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_the_unpacked_size_of_an_archive_is_bounded(tmp_path: Path) -> None:
    bomb = tar_of({"zeros": bytes(1 << 20)})

    async def scenario(cache: FileCache, source: Source) -> None:
        with pytest.raises(CacheFull):
            await cache.hold("job_1", source.file("bomb", bomb, FileKind.ARCHIVE))
        assert cache.used_bytes == 0

    play(tmp_path / "cache", scenario, max_bytes=100_000)
