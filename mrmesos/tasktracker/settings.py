"""The settings of a TaskTracker, from environment variables of Mesos and the JobTracker."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from mrmesos.conf import (
    HEARTBEAT_SECONDS,
    TASKTRACKER_CACHE_MB,
    TASKTRACKER_EXPIRY_SECONDS,
    TASKTRACKER_USERLOG_DIR,
    TASKTRACKER_USERLOG_MB,
    Conf,
    conf_from_environment,
)
from mrmesos.task.files.user_logs import DIRECTORY
from mrmesos.task.shuffle.addresses import agent_address, source_address

PRESTART_MAX = 16


class SettingsError(Exception):
    """The environment is not a TaskTracker's. The message names the variable."""


class TrackerSettings(msgspec.Struct, frozen=True):
    """Settings of one TaskTracker.

    `address` is the agent's address; the TaskTracker's own server listens there too. `source` is
    the address it connects from (see `source_address`).

    `prestart` workers (MRMESOS_PRESTART, default 1) start at once, one for each expected slot.
    """

    jobtracker: str
    tracker_id: str
    sandbox: Path
    address: str
    heartbeat_seconds: float
    expiry_seconds: float
    prestart: int = 1
    source: str = ""
    cache_bytes: int = TASKTRACKER_CACHE_MB.default << 20
    userlog_dir: str = ""
    userlog_bytes: int = TASKTRACKER_USERLOG_MB.default << 20
    conf: Conf = msgspec.field(default_factory=Conf)

    @property
    def userlogs(self) -> Path:
        """The directory for the output of attempts."""
        return Path(self.userlog_dir) if self.userlog_dir else self.sandbox / DIRECTORY

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> TrackerSettings:
        """Raises SettingsError, ConfError."""
        try:
            conf = conf_from_environment(environ)
            settings = cls(
                jobtracker=environ["MRMESOS_JOBTRACKER"].rstrip("/"),
                tracker_id=environ["MRMESOS_TRACKER_ID"],
                sandbox=Path(environ.get("MESOS_SANDBOX") or ".").absolute(),
                address=agent_address(environ["MESOS_AGENT_ENDPOINT"]),
                heartbeat_seconds=conf.get_as(HEARTBEAT_SECONDS),
                expiry_seconds=conf.get_as(TASKTRACKER_EXPIRY_SECONDS),
                prestart=_prestart(environ.get("MRMESOS_PRESTART") or "1"),
                source=source_address(environ),
                cache_bytes=conf.get_as(TASKTRACKER_CACHE_MB) << 20,
                userlog_dir=conf.get_as(TASKTRACKER_USERLOG_DIR),
                userlog_bytes=conf.get_as(TASKTRACKER_USERLOG_MB) << 20,
                conf=conf,
            )
        except KeyError as problem:
            raise SettingsError(
                f"{problem} is not set in the environment; only Mesos can start a TaskTracker"
            ) from problem
        schemes = ("http://", "https://", "zk://")
        if not settings.jobtracker.startswith(schemes) or not settings.address:
            raise SettingsError("MRMESOS_JOBTRACKER or MESOS_AGENT_ENDPOINT is not an address")
        return settings


def _prestart(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise SettingsError(f"MRMESOS_PRESTART={text[:50]!r} is not a number of workers")
    return min(int(text), PRESTART_MAX)
