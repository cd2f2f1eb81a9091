"""Gathers facts about a cluster: its master and JobTracker by HTTP, its agents by a job on each."""

from __future__ import annotations

import getpass
import hashlib
import http.client
import json
import queue
import shutil
import socket
import tempfile
import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from mrmesos.client.api_client import ApiProblem, JobTrackerClient, Unreachable
from mrmesos.client.code.loading import LoadedJob, load
from mrmesos.client.code.target import Target
from mrmesos.client.doctor.facts import AgentFacts, Answer, Probe
from mrmesos.client.doctor.probe_job import MARK
from mrmesos.client.options import Options, make_spec
from mrmesos.client.terminal.errors import UsageProblem, reason
from mrmesos.conf import JOB_CONSTRAINTS, JOB_MAPS, OUTPUT_OVERWRITE, Conf
from mrmesos.mesos.addresses import parse_master
from mrmesos.wire.job import JobState, JobStatus

CONNECT_SECONDS = 5.0
ELECTION_SECONDS = 10.0
AGENTS_MAX = 100
ANSWER_MAX = 64 << 20
READABLE = "file:///etc/passwd"
"""A file of every Linux host: jobs need an input. The probe does not open it."""
POLL_SECONDS = 0.5


def ask(url: str, path: str = "/version") -> tuple[Answer, Any]:
    """GET a path of a server; its answer as JSON is None after a problem."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    host = parts.hostname or ""
    try:
        socket.getaddrinfo(host, parts.port or 80, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as problem:
        said = f"there is no host {host} ({reason(problem)})"
        return Answer(url=url, problem=said, kind="dns"), None
    opened = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = opened(host, parts.port, timeout=CONNECT_SECONDS)
    before = time.time()
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read(ANSWER_MAX)
        middle = (before + time.time()) / 2
        ahead = _ahead(response.getheader("Date"), middle)
        if response.status in (401, 403):
            said = f"it asks for authentication (HTTP {response.status})"
            return Answer(url=url, problem=said, kind="denied", ahead_seconds=ahead), None
        told = json.loads(body)
        version = str(told.get("version", "")) if isinstance(told, dict) else ""
        return Answer(url=url, version=version, ahead_seconds=ahead), told
    except TimeoutError:
        return Answer(url=url, problem="no answer within 5 s", kind="silent"), None
    except OSError as problem:
        kind = "refused" if isinstance(problem, ConnectionRefusedError) else "silent"
        return Answer(url=url, problem=reason(problem), kind=kind), None
    except (http.client.HTTPException, ValueError) as problem:
        said = f"the answer is not what was expected: {reason(problem)}"
        return Answer(url=url, problem=said, kind="strange"), None
    finally:
        connection.close()


def _ahead(date: str | None, middle: float) -> float | None:
    """How far the server's clock is ahead, by the Date header. That header has whole seconds."""
    try:
        there = parsedate_to_datetime(date or "").timestamp() + 0.5
    except (TypeError, ValueError):
        return None
    return there - middle


def master_url(master: str) -> str:
    """The URL of a master, or of the leader at zk://…. Raises ValueError, UsageProblem."""
    address = parse_master(master)
    if not address.startswith("zk://"):
        return f"http://{address}"
    from mrmesos.mesos.detection import LeaderDetector
    from mrmesos.mesos.errors import MesosUnreachable

    leaders: queue.SimpleQueue[str] = queue.SimpleQueue()

    def leads(leader: str | None) -> None:
        if leader:
            leaders.put(leader)

    detector = LeaderDetector(address, leads)
    try:
        detector.start()
        return f"http://{leaders.get(timeout=ELECTION_SECONDS)}"
    except (MesosUnreachable, queue.Empty) as problem:
        raise UsageProblem(f"{master}: no leading master: {reason(problem)}") from None
    finally:
        detector.stop()


def agents_of(state: Any) -> tuple[list[AgentFacts], int]:
    """The agents in a master's /state, each with whether we can connect to it. Also the number of
    lost agents.
    """
    found = []
    for each in state.get("slaves", [])[:AGENTS_MAX]:
        address = str(each.get("pid", "")).partition("@")[2]
        problem, kind = _connects(str(each.get("hostname", "")), address)
        found.append(
            AgentFacts(
                hostname=str(each.get("hostname", "")),
                address=address,
                is_active=bool(each.get("active", True)),
                problem=problem,
                kind=kind,
            )
        )
    return found, int(state.get("unreachable_slaves", 0))


def _connects(hostname: str, address: str) -> tuple[str, str]:
    """Why an agent cannot be reached, and the kind of problem; empty if it can."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS):
            pass
        socket.getaddrinfo(hostname, None)
    except socket.gaierror as problem:
        return f"there is no host {hostname} ({reason(problem)})", "dns"
    except (OSError, ValueError) as problem:
        return reason(problem), "silent"
    return "", ""


class Probing(msgspec.Struct, frozen=True):
    """The JobTracker, the URIs and the time limit of a probe."""

    client: JobTrackerClient
    uris: Sequence[str]
    seconds: float


def probe_agents(probing: Probing, agents: Sequence[AgentFacts]) -> list[AgentFacts]:
    """Run the probe on all agents at once. If no agents are known, run it on any agent."""
    known = list(agents) or [AgentFacts(hostname="")]
    hosts = {each.hostname: [a for a in known if a.hostname == each.hostname] for each in known}
    jobs: dict[str, str] = {}
    facts: dict[str, AgentFacts] = {}
    for host in hosts:
        try:
            jobs[host] = _submit(probing, host)
        except (ApiProblem, Unreachable) as problem:
            facts[host] = msgspec.structs.replace(hosts[host][0], probe_problem=str(problem))
    deadline = time.monotonic() + probing.seconds
    for host, job_id in jobs.items():
        facts[host] = _result(probing, job_id, hosts[host][0], deadline)
        # A JobTracker on this machine has left an empty output. Elsewhere it is in /tmp.
        shutil.rmtree(_output(host), ignore_errors=True)
    return [
        msgspec.structs.replace(
            facts[each.hostname],
            address=each.address,
            is_active=each.is_active,
            problem=each.problem,
            kind=each.kind,
        )
        for each in known
    ]


def _submit(probing: Probing, host: str) -> str:
    options = _options(probing.uris, host)
    loaded: LoadedJob = load(options.target, options.overrides, ())
    spec = make_spec(options, loaded, ())
    spec = msgspec.structs.replace(spec, inputs=(READABLE,))
    probing.client.upload(loaded.code)
    return probing.client.submit(spec)


def _options(uris: Sequence[str], host: str) -> Options:
    """A submission of the probe. Its output is empty; the next probe of the host replaces it."""
    settings = {
        "job.name": f"mrmesos doctor {host}".strip(),
        JOB_MAPS.name: "1",
        OUTPUT_OVERWRITE.name: "true",
        "map.cpus": "0.1",
        "map.memory.mb": "256",
        "map.maxattempts": "1",
        "doctor.uris": "\n".join(uris),
    }
    if host:
        settings[JOB_CONSTRAINTS.name] = f"hostname = {host}"
    return Options(
        target=Target(Path(__file__).with_name("probe_job.py"), "Doctor"),
        inputs=(READABLE,),
        output=f"file://{_output(host)}",
        overrides=Conf(settings),
        master="",
        jobtracker="",
        detach=True,
        local_agents=1,
        report=None,
        verbose=False,
        job_args=(),
    )


def _output(host: str) -> str:
    name = hashlib.sha256(f"{getpass.getuser()} {host}".encode()).hexdigest()[:16]
    return f"{tempfile.gettempdir()}/mrmesos-doctor-{name}"


def _result(probing: Probing, job_id: str, agent: AgentFacts, deadline: float) -> AgentFacts:
    client = probing.client
    try:
        status = client.status(job_id)
        while not status.state.ended and time.monotonic() < deadline:
            status = client.status(job_id, wait=POLL_SECONDS)
        if not status.state.ended:
            client.kill(job_id, "mrmesos doctor")
            waiting = status.waiting or "no slot came free"
            return msgspec.structs.replace(
                agent, probe_problem=f"the job still waits after {probing.seconds:g} s: {waiting}"
            )
        if status.state is not JobState.SUCCEEDED:
            return msgspec.structs.replace(agent, probe_problem=_why(status))
        attempt = next(row for row in client.report(job_id).attempts if row.state == "SUCCEEDED")
    except (ApiProblem, Unreachable) as problem:
        return msgspec.structs.replace(agent, probe_problem=str(problem))
    agent = msgspec.structs.replace(
        agent,
        hostname=attempt.hostname,
        probe_started=attempt.start,
        probe_ended=attempt.end or attempt.start,
    )
    try:
        text = client.logs(attempt.id, "stdout").data.decode("utf-8", "replace")
    except (ApiProblem, Unreachable) as problem:
        return msgspec.structs.replace(agent, log_problem=str(problem))
    line = next((line for line in text.splitlines() if line.startswith(MARK)), "")
    try:
        probe = msgspec.json.decode(line.removeprefix(MARK), type=Probe)
    except msgspec.DecodeError as problem:
        return msgspec.structs.replace(agent, log_problem=f"the probe's line is damaged: {problem}")
    return msgspec.structs.replace(agent, probe=probe)


def _why(status: JobStatus) -> str:
    error = status.error
    if error is None:
        return f"the job ended as {status.state.value}"
    last = error.detail.strip().splitlines()[-1:] if error.detail else []
    return " ".join([error.message, *last])[:500]
