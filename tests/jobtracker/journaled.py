"""A core with hands whose journal is kept, so that it can be restarted."""

from __future__ import annotations

from typing import Any

from mrmesos.conf import Conf
from mrmesos.jobtracker.core.jobtracker import JobTracker
from mrmesos.jobtracker.core.messages import commands as cmd
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.messages.journal_records import WriteRecords
from tests.jobtracker.harness import SILENCE, STAMP, Hands


class JournaledHands(Hands):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.written: dict[Any, Any] = {}
        self.core = self._new_core(STAMP)
        self.do(ev.Registered("framework"))

    @staticmethod
    def _new_core(stamp: str) -> JobTracker:
        return JobTracker(Conf({SILENCE: "3600"}), stamp, journal=True)

    def do(self, event: ev.Event) -> list[cmd.Command]:
        commands = super().do(event)
        for each in commands:
            if isinstance(each, WriteRecords):
                self.written.update({record.filed_as: record for record in each.put})
                for key in each.drop:
                    self.written.pop(key, None)
        return commands

    def restart(self) -> None:
        """The JobTracker dies, and another one continues with its journal a second later."""
        self.now += 1
        self.core = self._new_core(f"{int(STAMP) + 1}")
        self.core.restore(list(self.written.values()), self.now, life=1)
        self.core.validate()
