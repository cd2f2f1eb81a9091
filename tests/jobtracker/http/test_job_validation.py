"""Which jobs are accepted, by their Python version and their files."""

from __future__ import annotations

import msgspec
import pytest

from mrmesos.jobtracker.http import job_validation
from mrmesos.jobtracker.http.errors import BadRequest
from mrmesos.jobtracker.http.job_validation import check_job
from mrmesos.wire.job import FileKind, JobFile, JobSpec
from tests.wire import specs

SPEC = msgspec.structs.replace(specs.SPEC, num_reducers=0, python="3.12")


def with_files(*names: str, kind: FileKind = FileKind.FILE, sha256: str = "1" * 64) -> JobSpec:
    files = tuple(JobFile(name=name, sha256=sha256, size=1, kind=kind) for name in names)
    return msgspec.structs.replace(SPEC, files=files)


def test_code_of_another_python_is_refused_where_it_would_run() -> None:
    check_job(SPEC)  # the TaskTrackers' version is unknown, so they check it themselves
    check_job(SPEC, "3.12")
    check_job(msgspec.structs.replace(SPEC, python=""), "3.11")
    with pytest.raises(BadRequest, match=r"by Python 3\.12, and TaskTrackers here run 3\.11"):
        check_job(SPEC, "3.11")


def test_files_have_names_of_their_own_and_hashes() -> None:
    good = with_files("a", "b")
    check_job(good)
    module = with_files("a", kind=FileKind.PYTHON)
    check_job(msgspec.structs.replace(good, files=good.files + module.files))
    assert module.uploads() == ("0" * 64, "1" * 64)
    for name in ("", ".", "..", "a/b", "a\0"):
        with pytest.raises(BadRequest, match="not a valid name"):
            check_job(with_files(name))
    with pytest.raises(BadRequest, match="two files of the job are named a"):
        check_job(with_files("a", "a"))
    with pytest.raises(BadRequest, match="no SHA-256"):
        check_job(with_files("a", sha256="../../etc"))


def test_there_are_only_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_validation, "MAX_FILES", 2)
    with pytest.raises(BadRequest, match="put them in an archive"):
        check_job(with_files("a", "b", "c"))
