"""Repeats a recorded conversation with a real master, but with minimesos.

It sends the calls as recorded, with translated ids. Every recorded answer and event must come and
be equal, after values that differ between runs (ids, times, ports, process ids) are replaced.
"""

from __future__ import annotations

import json
import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mrmesos.minimesos.http.server import AgentSpec
from tests.minimesos.cluster import Cluster, Json, Scheduler, wait_for

TRACES = Path(__file__).parent / "traces"
EXECUTOR = Path(__file__).with_name("bare_executor.py")
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
RECORDED_COMMAND, RECORDED_TRACE = "exec python3 executor.py", "/var/log/executor.jsonl"
RECORDED_WORK = "/var/lib/mesos"
PLAIN = {
    "timestamp": 0,
    "unreachable_time": 0,
    "executor_pid": 1,
    "port": 1,
    "Date": "now",
    "uuid": "update",
}
# The headers and paths of the broken calls are not in the recordings.
BROKEN_REVIVES: tuple[dict[str, str], ...] = (
    {"Mesos_Stream_Id": "00000000-0000-0000-0000-000000000000"},
    {"drop": "Mesos-Stream-Id"},
    {"Content_Type": "text/plain"},
    {"path": "/api/v1/nowhere"},
)


def rows_of(name: str) -> list[Json]:
    text = (TRACES / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@dataclass
class Replay:
    """One conversation. `differences` must be empty at the end."""

    cluster: Cluster
    trace: list[Json]
    tmp: Path
    until: str = ""  # stop before this note
    keep_gaps: bool = False  # wait where the recording shows that nothing came
    differences: list[str] = field(default_factory=list)
    schedulers: dict[str, Scheduler] = field(default_factory=dict)
    uuids: dict[str, str] = field(default_factory=dict)  # recorded update -> ours
    recorded_master: str = ""
    stopped: bool = False  # the agent's process has stopped, and the master has not noticed yet
    revives: int = 0
    answer: tuple[int, str] = (0, "")
    last: float = 0.0

    @property
    def executor_trace(self) -> Path:
        return self.tmp / "executor.jsonl"

    def run(self) -> None:
        notes = (i for i, r in enumerate(self.trace) if "saw" in r.get("note", ""))
        seen = next(notes, len(self.trace))
        self.recorded_master = next(
            r["body"]["subscribed"]["master_info"]["id"]
            for r in self.trace
            if r.get("kind") == "SUBSCRIBED"
        )
        for row in self.trace[:seen]:
            if self.until and self.until in row.get("note", ""):
                break
            if "framework" in row:
                self.step(row)
            elif "agent process stopped" in row.get("note", ""):
                self.stopped = True
            elif "agent process continued" in row.get("note", ""):
                self.cluster.run(self.cluster.mesos.restore(self.ours("S0")))
            elif "started again" in row.get("note", ""):
                self.cluster.run(self.cluster.mesos.stop_agent(self.ours("S0")))
                time.sleep(2)  # meanwhile the executor's task ends, as recorded
                self.cluster.run(self.cluster.mesos.start_agent(self.ours("S0")))
            elif "killed" in row.get("note", ""):
                self.cluster.run(self.cluster.mesos.lose_agent(self.ours("S0")))
            elif "fresh agent" in row.get("note", ""):
                self.cluster.run(self.cluster.mesos.add_agent(agent_of("losses", 1)))
        rows = [r for r in self.trace[seen + 1 :] if not self.until or r["t"] <= self.last]
        if rows:
            self.compare_executors(rows)

    def ours(self, suffix: str) -> str:
        return f"{self.cluster.mesos.master.id}-{suffix}"

    def step(self, row: Json) -> None:
        name, kind, body = row["framework"], row["kind"], row["body"]
        if row["dir"] == "call":
            gap, self.last = row["t"] - (self.last or row["t"]), row["t"]
            if self.keep_gaps and gap > 1:
                time.sleep(gap)  # the recorded silence is tested
                self.expect_silence(name)
            self.call(name, kind, body)
            return
        self.last = row["t"]
        if self.stopped and kind == "UPDATE":  # the master has missed enough pings
            self.stopped = False
            self.cluster.run(self.cluster.mesos.cut_off(self.ours("S0")))
        scheduler = self.schedulers[name]
        if row["dir"] == "http" and kind == "SUBSCRIBE":
            self.same(row, {"status": scheduler.status, "headers": scheduler.headers})
        elif row["dir"] == "http":
            self.same(row, {"status": self.answer[0], "body": self.answer[1]})
        elif row["dir"] == "event":
            self.event(scheduler, row)
        elif kind == "broken":
            scheduler.drop()
            wait_for(lambda: not self.cluster.state()["frameworks"][0]["connected"])
        elif kind == "closed" and row["body"] is None:
            wait_for(lambda: scheduler.closed)

    def expect_silence(self, name: str) -> None:
        early = [e["type"] for e in self.schedulers[name].events if e["type"] == "OFFERS"]
        if early:
            self.differences.append(f"{name}: offers came although none were recorded")

    def translate(self, value: Any) -> Any:
        """Translate the ids of a recorded call."""
        text = json.dumps(value).replace(self.recorded_master, self.cluster.mesos.master.id)
        text = text.replace(RECORDED_COMMAND, f"exec {sys.executable} {EXECUTOR}")
        text = text.replace(RECORDED_TRACE, str(self.executor_trace))
        for recorded, mine in self.uuids.items():
            text = text.replace(json.dumps(recorded), json.dumps(mine))
        return json.loads(text)

    def call(self, name: str, kind: str, body: Any) -> None:
        if kind == "SUBSCRIBE":
            scheduler = Scheduler(self.cluster.address)
            self.schedulers[name] = scheduler
            scheduler.subscribe(self.translate(body))
            if scheduler.status == 200 and name != "removed":
                first = scheduler.take("SUBSCRIBED")
                assert first is not None
                scheduler.id = first["subscribed"]["framework_id"]["value"]
                scheduler.events.insert(0, first)
            return
        scheduler = self.schedulers[name]
        more: dict[str, str] = {}
        if kind == "REVIVE" and name == "validation":
            more = BROKEN_REVIVES[self.revives]
            self.revives += 1
        raw = body if isinstance(body, str) else json.dumps(self.translate(body))
        self.answer = scheduler.post(raw, **more)

    def event(self, scheduler: Scheduler, row: Json) -> None:
        kind, body = row["kind"], row["body"]
        wanted = self.translate(body)

        def fits(event: Json) -> bool:
            if kind == "UPDATE":
                mine, status = event["update"]["status"], wanted["update"]["status"]
                keys = ("task_id", "state", "reason")
                return all(mine.get(key) == status.get(key) for key in keys)
            return True

        event = scheduler.take(kind, fits, timeout=25)
        if event is None:
            others = [e["type"] for e in scheduler.events]
            self.differences.append(f"{row['framework']}: no {kind} as {body}; only {others}")
            return
        if kind == "UPDATE" and "uuid" in event["update"]["status"]:
            recorded = body["update"]["status"].get("uuid", "")
            self.uuids[recorded] = event["update"]["status"]["uuid"]
        self.same(row, event)

    def same(self, row: Json, mine: Json) -> None:
        wanted, got = self.alike(row["body"]), self.alike(mine)
        if wanted != got:
            where = f"{row.get('framework') or row.get('executor')} {row['dir']} {row['kind']}"
            self.differences.append(f"{where}\n  recorded {wanted}\n  here     {got}")

    def alike(self, value: Any) -> Any:
        """Replace the values that differ between runs."""
        if isinstance(value, dict):
            return {k: PLAIN[k] if k in PLAIN else self.alike(v) for k, v in value.items()}
        if isinstance(value, list):
            return [self.alike(one) for one in value]
        if isinstance(value, str):
            text = value.replace(f"exec {sys.executable} {EXECUTOR}", RECORDED_COMMAND)
            text = text.replace(str(self.executor_trace), RECORDED_TRACE)
            text = text.replace(str(self.tmp / "work"), RECORDED_WORK)
            text = UUID.sub("ID", text)
            return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text)
        return value

    def compare_executors(self, rows: list[Json]) -> None:
        """Compare environment, events and answers; threads may have written them in any order."""
        wanted = self.bag(rows)
        deadline = time.monotonic() + 10  # the last event may not be in the file yet
        while True:
            text = self.executor_trace.read_text(encoding="utf-8")
            whole = text[: text.rfind("\n") + 1]
            mine = [json.loads(line) for line in whole.splitlines()]
            got = self.bag(mine)
            if self.until:
                got &= wanted
            if got == wanted or time.monotonic() > deadline:
                break
            time.sleep(0.02)
        if wanted != got:
            for one in wanted - got:
                self.differences.append(f"the executor did not see {one}")
            for one in got - wanted:
                self.differences.append(f"the executor saw {one}")
        statuses = {r["body"]["status"] for r in mine if r["dir"] == "http"}
        if not statuses <= {200, 202}:
            self.differences.append(f"executors were answered {statuses}")

    def bag(self, rows: list[Json]) -> set[str]:
        rows = [r for r in rows if r["dir"] in ("env", "event")]
        return {
            f"{r['executor']}: {json.dumps(self.alike(r['body']), sort_keys=True)}" for r in rows
        }


def agent_of(name: str, number: int = 0) -> AgentSpec:
    """The agent of the recording."""
    resources = {
        "roles": "cpus(mr):2;cpus(other):1;cpus:2;mem(mr):512;mem:2048;disk:1000;"
        "ports:[31000-31010]",
        "drf": "cpus:9;mem:18432;disk:10000;ports:[31000-31100]",
    }.get(name, "cpus:4;mem:4096;disk:10000;db_connections:8;ports:[31000-31100]")
    rack = "rack:r0" if name == "drf" or number else "rack:r1"
    return AgentSpec(f"host-{number}.example", resources, rack)


def replay(name: str, tmp: Path, *, keep_gaps: bool = False, until: str = "") -> list[str]:
    """Repeat the conversation and return the differences."""
    tmp.mkdir()
    cluster = Cluster(tmp / "work", agent_of(name))
    try:
        one = Replay(cluster, rows_of(name), tmp, until, keep_gaps)
        one.run()
        return one.differences
    finally:
        cluster.stop()
