"""Executors as real processes, over the agent's HTTP API."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

from mrmesos.minimesos.http.server import AgentSpec
from tests.minimesos.cluster import Scheduler, command_task, get_json, wait_for
from tests.minimesos.conftest import MakeCluster
from tests.minimesos.tasks import executor, processes_in, start, task


def test_sandbox_output_and_environment(make_cluster: MakeCluster) -> None:
    cluster = make_cluster()
    scheduler, offer = start(cluster)
    script = "echo out $WORD; echo err >&2; pwd; env | grep -c ^MESOS_SANDBOX="
    one = command_task("t", offer, script)
    one["command"]["environment"] = {"variables": [{"name": "WORD", "value": "hello"}]}
    scheduler.accept([offer], [one])
    states = [scheduler.update("t") for _ in range(3)]
    assert [s["state"] for s in states] == ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"]
    assert states[2]["message"] == "Command exited with status 0"
    assert states[2]["executor_id"] == {"value": "t"}
    (run,) = (cluster.mesos.config.work_dir).glob("slaves/*/frameworks/*/executors/t/runs/latest")
    assert (run / "stdout").read_text() == f"out hello\n{run.resolve()}\n1\n"
    assert (run / "stderr").read_text() == "err\n"
    container = states[2]["container_status"]["container_id"]["value"]
    assert run.resolve().name == container


@pytest.mark.parametrize(
    ("command", "state", "message"),
    [
        ("exit 3", "TASK_FAILED", "Command exited with status 3"),
        ("kill -9 $$", "TASK_FAILED", "Command terminated with signal Killed"),
        ("no-such-program-anywhere", "TASK_FAILED", "Command exited with status 127"),
    ],
)
def test_commands_that_fail(
    make_cluster: MakeCluster, command: str, state: str, message: str
) -> None:
    scheduler, offer = start(make_cluster())
    scheduler.accept([offer], [command_task("t", offer, command)])
    last = scheduler.update("t", "TASK_FINISHED", "TASK_FAILED", "TASK_KILLED")
    assert (last["state"], last["message"], last["source"]) == (state, message, "SOURCE_EXECUTOR")
    assert "reason" not in last


def test_command_without_shell(make_cluster: MakeCluster) -> None:
    cluster = make_cluster()
    scheduler, offer = start(cluster)
    good, bad = (command_task(name, offer, "echo") for name in ("good", "bad"))
    good["command"] = {"shell": False, "value": "echo", "arguments": ["echo", "a b", "$HOME"]}
    bad["command"] = {"shell": False, "value": "/no/such/program"}
    scheduler.accept([offer], [good, bad])
    scheduler.update("good", "TASK_FINISHED")
    last = scheduler.update("bad", "TASK_FAILED")
    assert last["reason"] == "REASON_CONTAINER_LAUNCH_FAILED"
    assert "No such file" in last["message"]
    (out,) = cluster.mesos.config.work_dir.glob("slaves/*/frameworks/*/executors/good/runs/latest")
    assert (out / "stdout").read_text() == "a b $HOME\n"


def test_command_is_killed_with_grace(make_cluster: MakeCluster) -> None:
    scheduler, offer = start(make_cluster(), capabilities=[{"type": "TASK_KILLING_STATE"}])
    soft = command_task("soft", offer, "exec sleep 600")
    hard = command_task("hard", offer, "trap '' TERM; echo ready; while :; do sleep 0.1; done")
    hard["kill_policy"] = {"grace_period": {"nanoseconds": 300_000_000}}
    scheduler.accept([offer], [soft, hard])
    for name in ("soft", "hard"):
        scheduler.update(name, "TASK_RUNNING")
    for name in ("soft", "hard"):
        scheduler.call("KILL", kill={"task_id": {"value": name}})
        assert scheduler.update(name)["state"] == "TASK_KILLING"
    assert scheduler.update("soft", "TASK_KILLED")["message"] == (
        "Command terminated with signal Terminated"
    )
    assert scheduler.update("hard", "TASK_KILLED")["message"] in (
        "Command terminated with signal Killed",
        "Command terminated with signal Terminated",  # the signal came before its trap was set
    )


def test_uris_are_fetched(make_cluster: MakeCluster, tmp_path: Path) -> None:
    plain, tool = tmp_path / "plain.txt", tmp_path / "tool"
    plain.write_text("plain")
    tool.write_text("#!/bin/sh\necho tool $(cat plain.txt other/name)\n")
    scheduler, offer = start(make_cluster())
    good, bad = (
        command_task("good", offer, "./tool | grep -q 'tool plainplain'"),
        command_task("bad", offer, "true"),
    )
    good["command"]["uris"] = [
        {"value": str(plain)},
        {"value": f"file://{plain}", "output_file": "other/name"},
        {"value": str(tool), "executable": True},
    ]
    bad["command"]["uris"] = [{"value": "hdfs://somewhere/else"}]
    scheduler.accept([offer], [good, bad])
    assert scheduler.update("good", "TASK_FINISHED", "TASK_FAILED")["state"] == "TASK_FINISHED"
    last = scheduler.update("bad", "TASK_FAILED")
    assert last["reason"] == "REASON_CONTAINER_LAUNCH_FAILED"
    assert "Failed to fetch all URIs for container" in last["message"]


def test_executor_that_never_subscribes(make_cluster: MakeCluster) -> None:
    cluster = make_cluster(executor_registration_timeout=0.3)
    scheduler, offer = start(cluster)
    scheduler.accept([offer], [task("t", offer, executor(NEVER_SUBSCRIBE="1"))])
    last = scheduler.update("t", "TASK_FAILED")
    assert last["reason"] == "REASON_EXECUTOR_REGISTRATION_TIMEOUT"
    assert last["message"] == "Executor did not register within 300ms"
    assert scheduler.wait("FAILURE")["status"] == 9


def test_kill_before_the_executor_is_there(make_cluster: MakeCluster) -> None:
    cluster = make_cluster(executor_shutdown_grace_period=0.2)
    scheduler, offer = start(cluster)
    scheduler.accept([offer], [task("t", offer, executor(NEVER_SUBSCRIBE="1"))])
    scheduler.call("KILL", kill={"task_id": {"value": "t"}})
    last = scheduler.update("t")
    assert (last["state"], last["reason"], last["source"]) == (
        "TASK_KILLED",
        "REASON_TASK_KILLED_DURING_LAUNCH",
        "SOURCE_AGENT",
    )
    scheduler.wait("FAILURE")  # the executor had no task left


def test_stubborn_executor_is_killed_with_all_its_children(make_cluster: MakeCluster) -> None:
    cluster = make_cluster(executor_shutdown_grace_period=0.3)
    work_dir = cluster.mesos.config.work_dir
    scheduler, offer = start(cluster)
    info = executor(STUBBORN="1")
    scheduler.accept([offer], [task("t", offer, info, spawn="sleep 600 & sleep 600", sleep=600)])
    scheduler.update("t", "TASK_RUNNING")
    wait_for(lambda: len([p for p in processes_in(work_dir) if p.name() == "sleep"]) == 2)
    agent = {"agent_id": offer["agent_id"], "executor_id": {"value": "e"}}
    scheduler.call("SHUTDOWN", shutdown=agent)
    assert scheduler.wait("FAILURE")["status"] == 9
    assert scheduler.update("t", "TASK_FAILED")["reason"] == "REASON_EXECUTOR_TERMINATED"
    wait_for(lambda: not processes_in(work_dir))


def test_stream_that_breaks_is_taken_up_again(make_cluster: MakeCluster) -> None:
    """A checkpointing executor subscribes again and sends its unacknowledged updates."""
    cluster = make_cluster()
    scheduler, offer = start(cluster, checkpoint=True)
    scheduler.accept([offer], [task("t", offer, sleep=0.5, end="TASK_FINISHED")])
    scheduler.update("t", "TASK_RUNNING")
    message = {
        "agent_id": offer["agent_id"],
        "executor_id": {"value": "e"},
        "data": base64.b64encode(b"drop the stream").decode(),
    }
    scheduler.call("MESSAGE", message=message)
    assert scheduler.update("t")["state"] == "TASK_FINISHED"
    (held,) = cluster.state()["frameworks"][0]["executors"]
    assert held["executor_id"] == "e"


def test_updates_wait_for_acknowledgement_in_order(make_cluster: MakeCluster) -> None:
    scheduler, offer = start(make_cluster())
    scheduler.accept([offer], [task("t", offer, starting=True, end="TASK_FINISHED")])
    first = scheduler.update("t", ack=False)
    assert first["state"] == "TASK_STARTING"
    again = scheduler.take("UPDATE", timeout=0.3)
    assert again is None  # RUNNING and FINISHED wait for its acknowledgement
    scheduler.acknowledge(first)
    assert [scheduler.update("t")["state"] for _ in range(2)] == ["TASK_RUNNING", "TASK_FINISHED"]


def test_launch_group(make_cluster: MakeCluster) -> None:
    scheduler, offer = start(make_cluster())
    tasks = [task(name, offer, end="TASK_FINISHED") for name in ("a", "b")]
    for one in tasks:
        del one["executor"]
    group = {"executor": executor(), "task_group": {"tasks": tasks}}
    operations = [{"type": "LAUNCH_GROUP", "launch_group": group}]
    scheduler.call("ACCEPT", accept={"offer_ids": [offer["id"]], "operations": operations})
    for name in ("a", "b"):
        scheduler.update(name, "TASK_FINISHED")


def test_marked_gone_agent(make_cluster: MakeCluster) -> None:
    spec = AgentSpec("h", "cpus:1;mem:512")
    cluster = make_cluster(spec, spec)
    scheduler = Scheduler(cluster.address, capabilities=[{"type": "PARTITION_AWARE"}]).start()
    one, _ = scheduler.offers()
    scheduler.accept([one], [task("t", one, sleep=600)])
    scheduler.update("t", "TASK_RUNNING")
    gone = {"type": "MARK_AGENT_GONE", "mark_agent_gone": {"agent_id": one["agent_id"]}}
    status, _ = scheduler.post(json.dumps(gone), path="/api/v1")
    assert status == 200
    assert scheduler.update("t")["state"] == "TASK_GONE_BY_OPERATOR"
    assert scheduler.wait("FAILURE") == {"agent_id": one["agent_id"]}
    wait_for(lambda: not processes_in(cluster.mesos.config.work_dir))
    assert [a["id"] for a in cluster.state()["slaves"]] != [one["agent_id"]["value"]]


def test_executor_calls_that_are_refused(make_cluster: MakeCluster) -> None:
    cluster = make_cluster()
    scheduler, offer = start(cluster)
    scheduler.accept([offer], [task("t", offer, sleep=600)])
    scheduler.update("t", "TASK_RUNNING")
    where = offer["url"]["address"]
    agent = Scheduler(f"{where['ip']}:{where['port']}")
    who = {"framework_id": {"value": scheduler.id}, "executor_id": {"value": "e"}}
    status = {"task_id": {"value": "t"}, "state": "TASK_RUNNING", "source": "SOURCE_EXECUTOR"}
    uuid = base64.b64encode(os.urandom(16)).decode()

    def post(**body: object) -> tuple[int, str]:
        return agent.post(json.dumps(body), path="/api/v1/executor")

    cases = [
        (dict(who), 400, "Expecting 'type' to be present"),
        ({"type": "UPDATE", "framework_id": who["framework_id"]}, 400, "Expecting 'executor_id'"),
        ({**who, "type": "UPDATE"}, 400, "Expecting 'update' to be present"),
        ({**who, "type": "UPDATE", "update": {"status": status}}, 400, "Expecting 'uuid'"),
        (
            {**who, "type": "UPDATE", "update": {"status": {**status, "uuid": "eA=="}}},
            400,
            "16 bytes",
        ),
        (
            {
                **who,
                "type": "UPDATE",
                "update": {"status": {**status, "uuid": uuid, "source": "SOURCE_MASTER"}},
            },
            400,
            "with invalid source",
        ),
        (
            {
                **who,
                "type": "UPDATE",
                "update": {"status": {**status, "uuid": uuid, "state": "TASK_STAGING"}},
            },
            400,
            "Received TASK_STAGING",
        ),
        (
            {**who, "executor_id": {"value": "x"}, "type": "MESSAGE", "message": {"data": ""}},
            400,
            "Executor cannot be found",
        ),
        (
            {**who, "framework_id": {"value": "x"}, "type": "MESSAGE", "message": {"data": ""}},
            400,
            "Framework cannot be found",
        ),
        ({**who, "type": "HEARTBEAT"}, 202, ""),
    ]
    for body, code, text in cases:
        answer = post(**body)
        assert answer[0] == code, (body, answer)
        assert text in answer[1]
    assert get_json(agent.address, "/version")["version"] == "1.12.0"


def test_old_sandboxes_are_removed(make_cluster: MakeCluster) -> None:
    cluster = make_cluster(max_sandboxes=2)
    scheduler, offer = start(cluster)
    names = [f"t{n}" for n in range(5)]
    scheduler.accept([offer], [command_task(name, offer, "true") for name in names])
    for name in names:
        scheduler.update(name, "TASK_FINISHED")
    left = cluster.mesos.config.work_dir
    wait_for(lambda: len(list(left.glob("slaves/*/frameworks/*/executors/*"))) == 2)
