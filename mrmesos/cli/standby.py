"""`mrmesos jobtracker --zk`: one of several JobTrackers. It leads, or it stands by until it leads.

A leader that loses the leadership executes itself again (execve). This ends all its threads,
sockets and locks at once, as if it had been killed. It then starts as a standby.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path

from mrmesos.conf import (
    JOBTRACKER_MASTER_AWAY_SECONDS,
    JOBTRACKER_STATE_DIR,
    JOBTRACKER_ZK_SESSION_SECONDS,
    Conf,
)
from mrmesos.election.candidate import Candidate, ElectionError
from mrmesos.election.place import Place
from mrmesos.jobtracker.service import JobTrackerService
from mrmesos.jobtracker.storage.journal_errors import JournalInUse
from mrmesos.mesos.reach import MasterProbe

logger = logging.getLogger(__name__)

NAME = "directory-name"
"""This file identifies the directory that the candidates share."""
PAUSE_SECONDS = 1.0
LOOK_SECONDS = 1.0


class Standby:
    """This process as a candidate, from `stand()` to `withdraw()`."""

    def __init__(
        self,
        place: Place,
        conf: Conf,
        master: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises ValueError if `master` is not the address of a Mesos master."""
        self.url = place.url
        self._directory = Path(conf.get_as(JOBTRACKER_STATE_DIR))
        session = conf.get_as(JOBTRACKER_ZK_SESSION_SECONDS)
        self._probe = MasterProbe(master)
        self._candidate = Candidate(place, session, self._deposed, able=self._probe.reachable)
        self._away_max = conf.get_as(JOBTRACKER_MASTER_AWAY_SECONDS)
        self._clock = clock
        self._away_since: float | None = None
        self._ending = False

    def stand(self) -> None:
        """Wait until this process is elected. Raises ElectionError, OSError."""
        self._candidate.stand(directory_name(self._directory))
        self._candidate.wait()
        self._probe.close()

    def open(self, make: Callable[[], JobTrackerService]) -> JobTrackerService:
        """Make the JobTracker after the election. Raises the exceptions of `make`.

        The previous leader may have been stopped (SIGSTOP) during a write: wait for its end.
        """
        told = False
        while True:
            try:
                return make()
            except JournalInUse as problem:
                if not told:
                    logger.warning("%s; waiting for its end", problem)
                told = True
                time.sleep(PAUSE_SECONDS)

    def publish(self, url: str) -> None:
        """Publish our URL in ZooKeeper. If another process leads now, stand by again."""
        try:
            self._candidate.publish(url)
        except ElectionError as problem:
            self._deposed(str(problem))

    def failed(self, problem: BaseException | None) -> None:
        """After a failure: stand by again if another process leads now."""
        if not self._candidate.leads():
            self._deposed(str(problem))

    def look(self, connected: bool) -> None:
        """Call about once a second while leading. `connected`: we are subscribed to a Mesos master.

        A leader without a master for too long lets another candidate lead that can reach one.
        """
        now = self._clock()
        if connected:
            self._away_since = None
            return
        if self._away_since is None:
            self._away_since = now
        away = now - self._away_since
        if self._away_max and away > self._away_max and self._candidate.others_stand():
            self._candidate.give_way(
                f"no Mesos master for {away:.0f} s, and a standby can reach one"
            )

    def end(self) -> None:
        """This process ends on purpose: it does not stand by again."""
        self._ending = True

    def withdraw(self) -> None:
        """Leave the election, so that another process can lead."""
        self._candidate.withdraw()

    def _deposed(self, why: str) -> None:
        """End at once and start again, so that nothing disturbs the next leader."""
        logger.critical("this JobTracker does not lead any more: %s", why)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        try:
            if not self._ending:
                os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
        finally:
            os._exit(1)


def directory_name(directory: Path) -> str:
    """The name of a directory, which is the same on all hosts. The first call creates it.

    Raises OSError.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / NAME
    if not path.exists():
        new = directory / f"{NAME}.{secrets.token_hex(8)}"
        new.write_text(secrets.token_hex(16))
        with contextlib.suppress(FileExistsError):  # another candidate was faster
            path.hardlink_to(new)
        new.unlink()
    return path.read_text()
