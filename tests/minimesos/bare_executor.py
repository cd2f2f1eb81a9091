"""A bare v1 executor for tests. A task's data (base64 JSON) says what to do.

`starting`: send TASK_STARTING first; `sleep`: seconds; `message`: text for the scheduler; `exit`:
end the process; `end`: the last state; `note`: its message; `spawn`: a shell command that keeps
running; `mute`: send nothing. All received events are written to TRACE_FILE, if that is set.
"""

import base64
import http.client
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

Json = dict[str, Any]

ADDRESS = os.environ["MESOS_AGENT_ENDPOINT"]
WHO = {
    "framework_id": {"value": os.environ["MESOS_FRAMEWORK_ID"]},
    "executor_id": {"value": os.environ["MESOS_EXECUTOR_ID"]},
}
HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}
lock = threading.Lock()
tasks: dict[str, Json] = {}
updates: dict[str, Json] = {}


def log(direction: str, kind: str, body: Any) -> None:
    if "TRACE_FILE" in os.environ:
        row = {"executor": WHO["executor_id"]["value"], "dir": direction, "kind": kind}
        with lock, Path(os.environ["TRACE_FILE"]).open("a") as file:
            file.write(json.dumps({**row, "body": body}) + "\n")


def post(kind: str, **payload: Any) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(ADDRESS)
    connection.request(
        "POST", "/api/v1/executor", json.dumps({"type": kind, **WHO, **payload}), HEADERS
    )
    return connection.getresponse()


def call(kind: str, **payload: Any) -> None:
    response = post(kind, **payload)
    log("http", kind, {"status": response.status, "body": response.read().decode()})


def update(task_id: str, state: str, **more: Any) -> None:
    uid = base64.b64encode(uuid.uuid4().bytes).decode()
    status = {"task_id": {"value": task_id}, "state": state, "source": "SOURCE_EXECUTOR"}
    body = {"status": {**status, "timestamp": time.time(), "uuid": uid, **more}}
    updates[uid] = body
    call("UPDATE", update=body)


def run(task: Json) -> None:
    task_id = task["task_id"]["value"]
    todo = json.loads(base64.b64decode(task.get("data", "e30=")))
    if todo.get("mute"):
        return
    if todo.get("starting"):
        update(task_id, "TASK_STARTING")
    update(task_id, "TASK_RUNNING", data=base64.b64encode(b"hello").decode())
    if todo.get("spawn"):
        subprocess.Popen(todo["spawn"], shell=True, start_new_session=True)
    time.sleep(todo.get("sleep", 0))
    if todo.get("message"):
        call("MESSAGE", message={"data": base64.b64encode(todo["message"].encode()).decode()})
    if "exit" in todo:
        os._exit(todo["exit"])
    if todo.get("end"):
        update(task_id, todo["end"], message=todo.get("note", ""))


def handle(event: Json) -> None:
    kind = event["type"]
    log("event", kind, event)
    if kind == "LAUNCH":
        task = event["launch"]["task"]
        tasks[task["task_id"]["value"]] = task
        threading.Thread(target=run, args=(task,), daemon=True).start()
    elif kind == "LAUNCH_GROUP":
        for task in event["launch_group"]["task_group"]["tasks"]:
            threading.Thread(target=run, args=(task,), daemon=True).start()
    elif kind == "ACKNOWLEDGED":
        updates.pop(event["acknowledged"]["uuid"], None)
        tasks.pop(event["acknowledged"]["task_id"]["value"], None)
    elif kind == "KILL":
        update(event["kill"]["task_id"]["value"], "TASK_KILLED", message="killed by request")
    elif kind == "MESSAGE":
        if base64.b64decode(event["message"]["data"]) == b"drop the stream":
            raise ConnectionResetError("asked to")
        call("MESSAGE", message={"data": event["message"]["data"]})
    elif kind == "SHUTDOWN" and "STUBBORN" not in os.environ:
        os._exit(0)


def follow(response: http.client.HTTPResponse) -> None:
    buffer = b""
    while chunk := response.read1(65536):
        buffer += chunk
        while b"\n" in buffer:
            size, rest = buffer.split(b"\n", 1)
            if len(rest) < int(size):
                break
            event, buffer = json.loads(rest[: int(size)]), rest[int(size) :]
            handle(event)


def main() -> None:
    names = ("MESOS_", "LIBPROCESS_")
    log("env", "env", {k: v for k, v in os.environ.items() if k.startswith(names)})
    if "NEVER_SUBSCRIBE" in os.environ:
        time.sleep(600)
    checkpoint = os.environ["MESOS_CHECKPOINT"] == "1"
    deadline = time.monotonic() + 30
    while True:
        try:
            response = post(
                "SUBSCRIBE",
                subscribe={
                    "unacknowledged_tasks": list(tasks.values()),
                    "unacknowledged_updates": list(updates.values()),
                },
            )
            log("http", "SUBSCRIBE", {"status": response.status})
            if response.status == 200:
                follow(response)
        except (OSError, http.client.HTTPException):
            pass
        if not checkpoint or time.monotonic() > deadline:
            sys.exit(0)
        time.sleep(0.05)


if __name__ == "__main__":
    main()
