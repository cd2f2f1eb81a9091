"""The directory that candidates share: its name, and a journal that another still uses."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mrmesos.cli import standby
from mrmesos.cli.standby import Standby, directory_name
from mrmesos.conf import JOBTRACKER_STATE_DIR, Conf
from mrmesos.election.place import Place
from mrmesos.jobtracker.service import JobTrackerService
from mrmesos.jobtracker.storage.journal_errors import JournalError, JournalInUse


def test_all_see_the_name_that_one_gave(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "state"
    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(lambda _: directory_name(directory), range(32)))
    assert len(names) == 1
    assert [path.name for path in directory.iterdir()] == [standby.NAME]
    assert directory.stat().st_mode & 0o777 == 0o700
    assert directory_name(tmp_path / "b") not in names


def test_a_journal_in_use_is_waited_for_and_a_damaged_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standby, "PAUSE_SECONDS", 0.0)
    conf = Conf({JOBTRACKER_STATE_DIR.name: str(tmp_path)})
    candidate = Standby(Place.parse("zk://us:er@127.0.0.1:1/x"), conf, "127.0.0.1:1")
    assert candidate.url == "zk://127.0.0.1:1/x"
    problems = [JournalInUse("used"), JournalInUse("used"), JournalError("damaged")]

    def make() -> JobTrackerService:
        raise problems.pop(0)

    with pytest.raises(JournalError, match="damaged"):
        candidate.open(make)
    assert problems == []
    candidate.withdraw()
