"""TaskInfos equal, field by field, those that a real master accepted, and pass its validation."""

from __future__ import annotations

import base64
import json
import sys
from typing import Any

import msgspec
import pytest

from mrmesos.access.signing import derived_key
from mrmesos.api.split import FileSlice, Split
from mrmesos.conf import Conf, ConfError
from mrmesos.jobtracker.core.messages.commands import SlotLaunch
from mrmesos.jobtracker.mesos.task_info import (
    executor_info,
    python_of_trackers,
    task_info,
    tracker_command,
)
from mrmesos.minimesos.master.validation import same_executor, validate_task
from mrmesos.minimesos.model.resources import from_json
from mrmesos.wire.ids import AgentId, SlotId, TrackerId
from mrmesos.wire.task import Attempt, MapTask, SlotData

# An offer's resources and the fields of TaskInfos as recorded with a real master (Mesos 1.12).
OFFERED: list[dict[str, Any]] = [
    {"name": "cpus", "type": "SCALAR", "scalar": {"value": 4.0}, "role": "*"},
    {"name": "mem", "type": "SCALAR", "scalar": {"value": 4096.0}, "role": "*"},
]
TASK_FIELDS = {"name", "task_id", "agent_id", "executor", "resources", "data"}
EXECUTOR_FIELDS = {
    *("type", "executor_id", "name", "source", "command", "shutdown_grace_period", "resources"),
}


def scalar(name: str, value: float) -> dict[str, Any]:
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}, "role": "*"}


def launch(slot: int = 1) -> SlotLaunch:
    attempt = Attempt(
        attempt_id=f"attempt_202611201130_0001_m_00000{slot}_0",
        job_id="job_202611201130_0001",
        slot_id=f"slot_202611201130_{slot}",
        task=MapTask(Split((FileSlice("file:///data/ü.txt", 0, 10),), 10)),
    )
    return SlotLaunch(
        slot_id=SlotId(attempt.slot_id),
        tracker_id=TrackerId("tracker_202611201130_1"),
        agent_id=AgentId("agent-S0"),
        resources=(scalar("cpus", 1), scalar("mem", 1024)),
        tracker_resources=(scalar("cpus", 0.1), scalar("mem", 128)),
        first=attempt,
    )


COMMAND = tracker_command(Conf(), "http://127.0.0.1:1")


def test_a_master_would_take_it() -> None:
    task = json.loads(json.dumps(task_info(launch(), COMMAND)))
    assert set(task) == TASK_FIELDS
    assert set(task["executor"]) == EXECUTOR_FIELDS
    for existing in (None, task["executor"]):
        reason = validate_task(
            task,
            framework_id="f",
            agent_id="agent-S0",
            known=lambda _: False,
            existing=existing,
            offered=from_json(OFFERED),
        )
        assert reason is None


def test_all_slots_of_a_tracker_carry_the_same_executor() -> None:
    one, other = (executor_info(launch(n), COMMAND) for n in (1, 2))
    assert one == other
    assert same_executor(one, other)


def test_data_is_the_first_attempt_and_the_trackers_key() -> None:
    wanted = launch()
    command = tracker_command(Conf(), "http://127.0.0.1:1", secret="the secret")
    task = task_info(wanted, command)
    data = msgspec.json.decode(base64.b64decode(task.pop("data")), type=SlotData)
    assert data.first == wanted.first
    assert data.key == derived_key("the secret", wanted.tracker_id)
    shown = json.dumps(task)
    assert data.key not in shown, "Mesos shows all but a task's data"
    assert "the secret" not in shown + repr(command)


def test_the_environment_of_a_tracker() -> None:
    conf = Conf({"tasktracker.heartbeat.seconds": "2", "mesos.user": "x", "my.parameter": "1"})
    command = tracker_command(conf, "http://h:1", python_path="/src tree")
    variables = executor_info(launch(), command)["command"]["environment"]["variables"]
    values = {variable["name"]: variable["value"] for variable in variables}
    assert json.loads(values.pop("MRMESOS_CONF")) == {"tasktracker.heartbeat.seconds": "2"}
    assert values == {
        "MRMESOS_JOBTRACKER": "http://h:1",
        "MRMESOS_TRACKER_ID": "tracker_202611201130_1",
        "PYTHONPATH": "/src tree",
    }


def test_trackers_inherit_what_is_named() -> None:
    ours = {"HADOOP_CONF_DIR": "/etc/hadoop", "AWS_SECRET_ACCESS_KEY": "secret", "MINE": "1"}
    command = tracker_command(Conf(), "http://h:1", inherited=ours)
    assert command.environment["HADOOP_CONF_DIR"] == "/etc/hadoop"
    assert not {"AWS_SECRET_ACCESS_KEY", "MINE"} & set(command.environment)
    conf = Conf({"tasktracker.environment": "MINE, OTHER"})
    environment = tracker_command(conf, "http://h:1", inherited=ours).environment
    assert environment["MINE"] == "1"
    assert not {"HADOOP_CONF_DIR", "OTHER"} & set(environment)
    assert "tasktracker.environment" not in environment["MRMESOS_CONF"]


def test_the_command_is_this_python_unless_told() -> None:
    assert COMMAND.shell.startswith("exec ")
    assert sys.executable in COMMAND.shell
    assert COMMAND.shell.endswith(" -P -m mrmesos.tasktracker")
    conf = Conf({"tasktracker.command": "/opt/x/bin/python -m mrmesos.tasktracker"})
    assert tracker_command(conf, "u").shell == "/opt/x/bin/python -m mrmesos.tasktracker"
    assert "PYTHONPATH" not in COMMAND.environment


def test_a_package_is_unpacked_in_the_sandbox_and_started_from_there() -> None:
    conf = Conf({"tasktracker.package": "hdfs://nn/mrmesos.tar.gz"})
    command = tracker_command(conf, "http://h:1", python_path="/src")
    info = task_info(launch(), command)["executor"]
    assert info["command"]["value"] == "exec ./mrmesos-package/tasktracker"
    uri = {"value": "hdfs://nn/mrmesos.tar.gz", "extract": True, "cache": True}
    assert info["command"]["uris"] == [uri]
    assert "PYTHONPATH" not in command.environment
    assert "tasktracker.package" not in command.environment["MRMESOS_CONF"]
    own = conf.merged({"tasktracker.command": "exec ./mrmesos-package/tasktracker --nice"})
    assert tracker_command(own, "u").shell.endswith("--nice")


@pytest.mark.parametrize("uri", ["package.tar.gz", "./package.tgz", "hdfs://nn/package.zip"])
def test_packages_that_mesos_would_not_unpack_are_refused(uri: str) -> None:
    with pytest.raises(ConfError, match=r"tasktracker\.package"):
        tracker_command(Conf({"tasktracker.package": uri}), "http://h:1")


def test_an_image_is_one_for_the_mesos_containerizer() -> None:
    conf = Conf({"tasktracker.container.image": "registry.example/mrmesos:1"})
    info = task_info(launch(), tracker_command(conf, "u", python_path="/src"))["executor"]
    image = {"type": "DOCKER", "docker": {"name": "registry.example/mrmesos:1"}}
    assert info["container"] == {"type": "MESOS", "mesos": {"image": image}}
    assert info["command"]["value"] == "exec python3 -P -m mrmesos.tasktracker"


def test_the_python_of_trackers_is_ours_unless_others_bring_theirs() -> None:
    assert python_of_trackers(Conf()) == f"{sys.version_info.major}.{sys.version_info.minor}"
    for name in ("package", "container.image", "command"):
        assert python_of_trackers(Conf({f"tasktracker.{name}": "x"})) == ""
