"""A minimesos as a process that obeys lines on its standard input.

    lose N              remove agent N; a new one with its host name starts after a second
    restart N SECONDS   stop the agent and start it again; its executors continue
    part N SECONDS      cut the agent off from the master, and connect it again
    failover            kill the leading master; a standby takes over
    leader              do nothing; the answer is the leading master's URL

Each line is answered on standard output by `done` or `not now`. The first line of output is the
master's URL. The process ends when its standard input closes.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

from mrmesos.minimesos.http.server import AgentSpec, MiniMesos, MiniMesosConfig

RETURN_SECONDS = 1.0
STANDBYS = 12


class Agents:
    """The agents by number, and those that are away."""

    def __init__(self, mesos: MiniMesos) -> None:
        self.mesos = mesos
        self.ids = [agent.id for agent in mesos.agents]
        self.busy: set[int] = set()
        self.standbys = mesos.config.standbys
        self.pending: set[asyncio.Task[None]] = set()

    async def obey(self, line: str) -> bool:
        """Do what the line says, unless the agent is away."""
        verb, *rest = line.split()
        if verb == "failover":
            return await self._fail_over()
        number, *seconds = rest
        index, agent_id = int(number), self.ids[int(number)]
        if index in self.busy:
            return False
        self.busy.add(index)
        pause = float(seconds[0]) if seconds else RETURN_SECONDS
        match verb:
            case "lose":
                await self.mesos.lose_agent(agent_id)
            case "restart":
                await self.mesos.stop_agent(agent_id)
            case "part":
                await self.mesos.cut_off(agent_id)
            case _:
                raise ValueError(line)
        task = asyncio.create_task(self._mend(verb, index, pause))
        self.pending.add(task)
        task.add_done_callback(self.pending.discard)
        return True

    async def _fail_over(self) -> bool:
        """Kill the leader, if there is one and a standby can take over."""
        if not self.standbys or not await self.mesos.kill_master():
            return False
        self.standbys -= 1
        return True

    async def _mend(self, verb: str, index: int, pause: float) -> None:
        await asyncio.sleep(pause)
        match verb:
            case "lose":
                self.ids[index] = (await self.mesos.add_agent(self.mesos.config.agents[index])).id
            case "restart":
                await self.mesos.start_agent(self.ids[index])
            case "part":
                await self.mesos.restore(self.ids[index])
        self.busy.discard(index)


def agent_address(number: int) -> str:
    """Each agent has its own address, as a host has."""
    return f"127.0.0.{2 + number}"


async def main(work_dir: Path, agents: int, resources: str, zk: str) -> None:
    """Serve until standard input closes."""
    specs = tuple(AgentSpec(f"chaos-{n}", resources, host=agent_address(n)) for n in range(agents))
    config = MiniMesosConfig(
        work_dir,
        port=0,
        agents=specs,
        remove_work_dir=True,
        zk=zk,
        standbys=STANDBYS if zk else 0,
    )
    mesos = MiniMesos(config)
    try:
        print(await mesos.start(), flush=True)
        control = Agents(mesos)
        lines = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(lines)
        await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
        while line := await lines.readline():
            if line == b"leader\n":
                print(f"http://{mesos.master.address.authority}", flush=True)
            else:
                print("done" if await control.obey(line.decode()) else "not now", flush=True)
        if control.pending:
            await asyncio.wait(control.pending)
    finally:
        await mesos.stop()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]))
