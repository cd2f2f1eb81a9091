"""Builds TaskInfo and ExecutorInfo for Mesos. Comes in: a slot that the core wants to launch. Pure.

Field names are those of Mesos' v1 API (include/mesos/v1/mesos.proto).
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from mrmesos.access.signing import derived_key
from mrmesos.conf import (
    SETTINGS,
    TASKTRACKER_COMMAND,
    TASKTRACKER_ENVIRONMENT,
    TASKTRACKER_IMAGE,
    TASKTRACKER_PACKAGE,
    Conf,
    ConfError,
)
from mrmesos.jobtracker.core.messages.commands import SlotLaunch, WarmTrackerLaunch
from mrmesos.wire.job import running_python
from mrmesos.wire.task import SlotData
from mrmesos.wire.tracker_command import tracker_shell

SHUTDOWN_GRACE_SECONDS = 5
"""Mesos gives a TaskTracker this long to end its attempts before it kills it."""

_FOR_TRACKERS = ("tasktracker.", "tls.", "http.", "log.")
_NOT_THEIRS = frozenset(
    setting.name
    for setting in (
        TASKTRACKER_COMMAND,
        TASKTRACKER_ENVIRONMENT,
        TASKTRACKER_PACKAGE,
        TASKTRACKER_IMAGE,
    )
)
_PACKED = (".tar.gz", ".tgz")
LAUNCHER = "mrmesos-package/tasktracker"
"""The program that starts a TaskTracker, in a package made by `mrmesos pack`."""
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class TrackerCommand:
    """How Mesos starts TaskTrackers: a shell command, and the environment that they all share.

    Before the command, Mesos' fetcher unpacks `package` in the sandbox. `image` is the Docker image
    in which it runs. The keys with which TaskTrackers sign are derived from `secret`.
    """

    shell: str
    environment: Mapping[str, str]
    package: str = ""
    image: str = ""
    secret: str = field(default="", repr=False)


def tracker_command(
    conf: Conf,
    jobtracker_url: str,
    *,
    python_path: str | None = None,
    inherited: Mapping[str, str] | None = None,
    secret: str = "",
) -> TrackerCommand:
    """The command of this JobTracker's TaskTrackers. Raises ConfError.

    Agents must have this Python and this mrmesos at the same path. There are two exceptions:
    `tasktracker.command` names another command, or a package or an image brings both. `python_path`
    is for an mrmesos that runs from a source tree instead of an installation. `inherited` is the
    JobTracker's own environment. TaskTrackers get those of its variables that
    `tasktracker.environment` names.
    """
    package, image = conf.get_as(TASKTRACKER_PACKAGE), conf.get_as(TASKTRACKER_IMAGE)
    if package:
        _check_package(package)
    command = conf.get_as(TASKTRACKER_COMMAND)
    if not command and package:
        command = f"exec ./{LAUNCHER}"
    elif not command:
        command = tracker_shell("python3" if image else sys.executable)
    settings = {
        name: text
        for name, text in conf.items()
        if name in SETTINGS and name.startswith(_FOR_TRACKERS) and name not in _NOT_THEIRS
    }
    names = {name.strip() for name in conf.get_as(TASKTRACKER_ENVIRONMENT).split(",")}
    environment = {name: text for name, text in (inherited or {}).items() if name in names}
    environment |= {
        "MRMESOS_JOBTRACKER": jobtracker_url,
        "MRMESOS_CONF": json.dumps(settings, sort_keys=True),
    }
    if python_path and not package and not image:
        environment["PYTHONPATH"] = python_path
    return TrackerCommand(command, environment, package, image, secret)


def _check_package(uri: str) -> None:
    """Raise ConfError if Mesos' fetcher could not find or unpack the package."""
    if "://" not in uri and not uri.startswith("/"):
        raise ConfError(f"{TASKTRACKER_PACKAGE.name}={uri}: expected a URI, or a path from / on")
    if not uri.endswith(_PACKED):
        raise ConfError(f"{TASKTRACKER_PACKAGE.name}={uri}: expected {' or '.join(_PACKED)}")


def python_of_trackers(conf: Conf) -> str:
    """The Python version (`3.12`) of TaskTrackers. Empty if a command, package or image of the
    settings decides it.
    """
    settings = (TASKTRACKER_COMMAND, TASKTRACKER_PACKAGE, TASKTRACKER_IMAGE)
    if any(conf.get_as(setting) for setting in settings):
        return ""
    return running_python()


def executor_info(
    launch: SlotLaunch | WarmTrackerLaunch, command: TrackerCommand
) -> dict[str, Any]:
    """The ExecutorInfo of a slot's TaskTracker.

    The master demands that it is the same in all slots of one TaskTracker.
    """
    environment = {**command.environment, "MRMESOS_TRACKER_ID": launch.tracker_id}
    info: dict[str, Any] = {
        "type": "CUSTOM",
        "executor_id": {"value": launch.tracker_id},
        "name": "mrmesos TaskTracker",
        "source": "mrmesos",
        "command": {
            "shell": True,
            "value": command.shell,
            "environment": {
                "variables": [
                    {"name": name, "type": "VALUE", "value": value}
                    for name, value in sorted(environment.items())
                ]
            },
        },
        "shutdown_grace_period": {"nanoseconds": SHUTDOWN_GRACE_SECONDS * 1_000_000_000},
        "resources": [dict(resource) for resource in launch.tracker_resources],
    }
    if command.package:
        # With `cache`, the agent keeps the package for later TaskTrackers.
        info["command"]["uris"] = [{"value": command.package, "extract": True, "cache": True}]
    if command.image:
        image = {"type": "DOCKER", "docker": {"name": command.image}}
        info["container"] = {"type": "MESOS", "mesos": {"image": image}}
    return info


def task_info(launch: SlotLaunch | WarmTrackerLaunch, command: TrackerCommand) -> dict[str, Any]:
    """The Mesos task of a slot. Its data is a SlotData, which has no attempt for a warm
    TaskTracker.
    """
    key = derived_key(command.secret, launch.tracker_id)
    data = SlotData(key=key, first=launch.first if isinstance(launch, SlotLaunch) else None)
    return {
        "name": launch.slot_id,
        "task_id": {"value": launch.slot_id},
        "agent_id": {"value": launch.agent_id},
        "executor": executor_info(launch, command),
        "resources": [dict(resource) for resource in launch.resources],
        "data": base64.b64encode(_encode(data)).decode("ascii"),
    }
