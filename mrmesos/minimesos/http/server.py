"""minimesos as a process: one event loop runs the masters, the agents and all their ports."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import signal
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec

from mrmesos.access.guard import RequestGuard
from mrmesos.minimesos.agent.agent import Agent, Grace
from mrmesos.minimesos.agent.containers import Containers
from mrmesos.minimesos.agent.prepared import Prepared, Reaper
from mrmesos.minimesos.http.authentication import agent_door
from mrmesos.minimesos.http.masters import Masters
from mrmesos.minimesos.http.routes import agent_endpoints
from mrmesos.minimesos.http.streams import HttpServer
from mrmesos.minimesos.master import failover, partition
from mrmesos.minimesos.master.allocator import Allocator
from mrmesos.minimesos.master.master import VERSION, Master
from mrmesos.minimesos.model.records import Limits, Timer
from mrmesos.minimesos.model.resources import Json, parse, parse_attributes

log = logging.getLogger(__name__)

STOP_GRACE_SECONDS = 2.5
"""Most time for executors to end when minimesos ends: senders of SIGTERM wait 5 s."""


class AgentSpec(msgspec.Struct, frozen=True):
    """One agent. `resources` and `attributes` have the syntax of Mesos' flags of these names.

    `host` is the address to listen on, as Mesos' `--ip`; empty: the master's address.
    """

    hostname: str = "localhost"
    resources: str = "cpus:1;mem:1024;disk:10000;ports:[31000-32000]"
    attributes: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True)
class MiniMesosConfig:
    """All settings of a minimesos. Times are in seconds. Port 0 means any free port."""

    work_dir: Path
    host: str = "127.0.0.1"
    port: int = 5050
    agents: tuple[AgentSpec, ...] = (AgentSpec(),)
    allocation_interval: float = 1.0
    heartbeat_interval: float = 15.0
    weights: Mapping[str, float] = field(default_factory=dict)
    executor_registration_timeout: float = 60.0
    executor_shutdown_grace_period: float = 5.0
    max_completed_frameworks: int = 50
    max_completed_tasks: int = 1000
    max_sandboxes: int = 200
    remove_work_dir: bool = False  # at the end, even after SIGKILL
    keep_failed: Path | None = None  # directory for the output of failed executors
    zk: str = ""  # zk://host:port,…/path of the election of masters
    zk_session_timeout: float = 10.0
    standbys: int = 0  # additional masters; they need zk
    agent_reregister_seconds: float = 0.5  # delay until agents register with a new leader
    agent_reregister_timeout: float = 600.0  # then a missing agent counts as unreachable
    allowed_hosts: tuple[str, ...] = ()  # more host names by which clients reach it
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Secrets by principal. If set, frameworks and operators must authenticate, and executors must
    send their tokens.
    """


class LoopClock:
    """A monotonic clock, so that filters and timeouts ignore jumps of the system clock."""

    def __init__(self) -> None:
        self._epoch = time.time() - time.monotonic()

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._epoch + time.monotonic()

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call once, later, in the running loop."""
        return asyncio.get_running_loop().call_later(seconds, call)


class MiniMesos:
    """A master and its agents, listening. Use `start`, then `stop`, in one event loop."""

    def __init__(
        self,
        config: MiniMesosConfig,
        prepared: Prepared | None = None,
        started_reaper: Reaper | None = None,
    ) -> None:
        self.config = config
        self.clock = LoopClock()
        self._guard = RequestGuard(
            (config.host, *(spec.host for spec in config.agents)),
            config.allowed_hosts,
            "--allow-host",
        )
        self.masters = Masters(
            self._new_master,
            config.standbys,
            config.zk,
            self._led_by,
            config.zk_session_timeout,
            self._guard,
            config.credentials,
        )
        self.master = self.masters.first  # the current or the last leader
        self.containers = Containers(
            config.max_sandboxes, config.keep_failed, prepared, started_reaper
        )
        self.agents: list[Agent] = []
        self.url = ""
        self._agent_servers: dict[str, HttpServer] = {}
        self._agent_hosts: dict[str, str] = {}  # the address that each listens on
        self._silent: set[str] = set()  # agents that are stopped or cut off from the masters
        self._version: Json = {"version": VERSION, "build_user": "", "git_sha": ""}

    async def start(self) -> str:
        """Open all ports and return the master's URL."""
        config = self.config
        mode = 0o700 if config.remove_work_dir else 0o777  # a temporary one is for its owner only
        config.work_dir.mkdir(mode, parents=True, exist_ok=True)
        self.containers.open(config.work_dir if config.remove_work_dir else None)
        ip = _ip(config.host)
        port = await self.masters.start(config.host, config.port, ip, self._version)
        for spec in config.agents:
            await self.add_agent(spec)
        self.url = f"http://{ip}:{port}"
        return self.url

    async def add_agent(self, spec: AgentSpec) -> Agent:
        """Start one more agent on its own port. Raises OSError."""
        config = self.config
        ip = _ip(spec.host) if spec.host else self.master.address.ip
        resources, attributes = parse(spec.resources), parse_attributes(spec.attributes)
        agent_id = self.master.next_agent_id()
        agent = Agent(
            agent_id,
            {},
            "",
            config.work_dir.resolve(),
            self.master,
            self.containers,
            self.clock,
            Grace(config.executor_registration_timeout, config.executor_shutdown_grace_period),
            authenticates=bool(config.credentials),
        )
        server = self._server_of(agent)
        self._agent_hosts[agent_id] = spec.host or config.host
        port = await server.listen(self._agent_hosts[agent_id], 0)
        self._agent_servers[agent_id] = server
        agent.address = f"{ip}:{port}"
        agent.info = {
            "hostname": spec.hostname,
            "port": port,
            "resources": resources.to_json(refined=True, allocated=False),
            "attributes": attributes,
            "id": {"value": agent_id},
        }
        self.agents.append(agent)
        self.master.add_agent(
            agent_id,
            agent,
            hostname=spec.hostname,
            ip=ip,
            port=port,
            resources=resources,
            attributes=attributes,
        )
        return agent

    async def lose_agent(self, agent_id: str) -> None:
        """Remove an agent as if its process had been killed."""
        agent = self._agent(agent_id)
        partition.lost(self.master, agent_id)
        self.agents.remove(agent)
        await self._close_port(agent_id)
        del self._agent_hosts[agent_id]
        agent.shut_down()

    async def cut_off(self, agent_id: str) -> None:
        """Cut an agent off from the master. The agent continues to run."""
        self._silent.add(agent_id)
        partition.cut_off(self.master, agent_id)

    async def restore(self, agent_id: str) -> None:
        """Connect a cut-off agent to the current leader again."""
        self._speaks_again(self._agent(agent_id))

    async def stop_agent(self, agent_id: str) -> None:
        """Stop an agent as if its process had ended. (Agents have no process of their own.)"""
        self._silent.add(agent_id)
        await self._close_port(agent_id)
        partition.down(self.master, agent_id)
        self._agent(agent_id).stopped()

    async def start_agent(self, agent_id: str) -> None:
        """Start a stopped agent again with the same work directory and port."""
        agent = self._agent(agent_id)
        server = self._server_of(agent)
        port = int(agent.address.rpartition(":")[2])
        await server.listen(self._agent_hosts[agent_id], port)
        self._agent_servers[agent_id] = server
        agent.restarted(partial(self._speaks_again, agent))

    def _server_of(self, agent: Agent) -> HttpServer:
        secrets = self.config.credentials
        door = agent_door(agent.tokens, secrets) if agent.authenticates else None
        return HttpServer(agent_endpoints(agent, self._version), self._guard, door)

    def _agent(self, agent_id: str) -> Agent:
        return next(one for one in self.agents if one.id == agent_id)

    async def _close_port(self, agent_id: str) -> None:
        if (server := self._agent_servers.pop(agent_id, None)) is not None:
            await server.close()

    def _speaks_again(self, agent: Agent) -> None:
        self._silent.discard(agent.id)
        self._join(agent)

    def _join(self, agent: Agent) -> None:
        """Register an agent with the leader. A silent agent does this later, when it is back."""
        if agent in self.agents and agent.id not in self._silent:
            failover.join(self.master, agent)

    async def kill_master(self) -> bool:
        """End the leader as if its process had been killed; a standby takes over.

        Does nothing and returns False if no master leads.
        """
        return await self.masters.kill_leader()

    def _new_master(self) -> Master:
        config = self.config
        return Master(
            self.clock,
            Allocator(config.allocation_interval, dict(config.weights)),
            heartbeat_interval=config.heartbeat_interval,
            limits=Limits(
                config.max_completed_frameworks,
                config.max_completed_tasks,
                agent_reregister_timeout=config.agent_reregister_timeout,
            ),
        )

    def _led_by(self, master: Master) -> None:
        """A master was elected: the old leader's agents register with it after a delay."""
        old, self.master = self.master, master
        if old is not master:
            failover.recover(master, old)
        master.start()
        for agent in self.agents:
            self.clock.after(self.config.agent_reregister_seconds, partial(self._join, agent))

    async def stop(self) -> None:
        """End the executors within their grace period, then all else. No process remains."""
        for agent in self.agents:
            agent.shut_down()
        await self.containers.close(
            min(self.config.executor_shutdown_grace_period, STOP_GRACE_SECONDS)
        )
        await self.masters.stop()
        for server in self._agent_servers.values():
            await server.close()
        if self.config.remove_work_dir:
            await asyncio.to_thread(shutil.rmtree, self.config.work_dir, ignore_errors=True)


def _ip(host: str) -> str:
    """The address to advertise for a server that listens on `host`."""
    if host in ("", "0.0.0.0"):  # all addresses, as the user asked
        return socket.gethostbyname(socket.gethostname())
    return socket.gethostbyname(host)


async def serve(
    config: MiniMesosConfig,
    ready: Callable[[str], None],
    stop: asyncio.Event | None = None,
    signalled: Callable[[int], None] = lambda _: None,
    prepared: Prepared | None = None,
    started_reaper: Reaper | None = None,
) -> None:
    """Run until SIGTERM, SIGINT or `stop`. `ready` gets the master's URL when all ports are open.

    `signalled` is called with each signal, and may end the process.
    """
    stop = stop or asyncio.Event()

    def end(number: int) -> None:
        stop.set()
        signalled(number)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(ValueError, RuntimeError):  # not in the main thread: no signals
            loop.add_signal_handler(number, end, number)
    minimesos = MiniMesos(config, prepared, started_reaper)
    try:
        ready(await minimesos.start())
        await stop.wait()
    finally:
        await minimesos.stop()
