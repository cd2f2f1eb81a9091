"""Random histories of masters and agents: at the end of each, they know all of each other."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import pytest

from mrmesos.minimesos.agent.agent import Agent
from mrmesos.minimesos.http.server import AgentSpec, MiniMesos, MiniMesosConfig
from mrmesos.minimesos.master import launching, subscription
from mrmesos.minimesos.model.records import Framework
from mrmesos.minimesos.model.resources import Json, Resources
from tests.minimesos.cluster import command_task
from tests.minimesos.fakes import FakeStream

INFO: Json = {
    "user": "root",
    "name": "test",
    "checkpoint": True,
    "failover_timeout": 60.0,
    "capabilities": [{"type": "PARTITION_AWARE"}],
    "id": {"value": "f"},
}
SPEC = AgentSpec(resources="cpus:1;mem:256")
STEPS = 80
CHOICES = ["fail over", "away", "away", "back", "back", "lose", "run", "run", "run", "run"]
DEADLINE = 20.0


class History:
    """A minimesos, and a scheduler that subscribes to each of its masters sooner or later."""

    def __init__(self, work_dir: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        config = MiniMesosConfig(
            work_dir, port=0, agents=(SPEC, SPEC, SPEC), agent_reregister_seconds=0.02
        )
        self.mesos = MiniMesos(config)
        self.stopped: set[str] = set()
        self.hidden: set[str] = set()
        self.launched = 0

    def framework(self) -> Framework:
        """Subscribe the framework."""
        master = self.mesos.master
        known = master.frameworks.get("f")
        if known is None or known.stream is None:
            known = subscription.subscribe(master, {"framework_info": INFO}, FakeStream())
            assert known is not None
        return known

    async def step(self) -> None:
        mesos, rng = self.mesos, self.rng
        agent_id = rng.choice(mesos.agents).id
        match rng.choice(CHOICES):
            case "fail over":
                if rng.random() < 0.5:  # sometimes no master leads for a while
                    mesos.master.stop()
                    await asyncio.sleep(rng.random() * 0.03)
                mesos._led_by(mesos._new_master())
            case "away" if agent_id not in self.stopped | self.hidden:
                if rng.random() < 0.5:
                    self.stopped.add(agent_id)
                    await mesos.stop_agent(agent_id)
                else:
                    self.hidden.add(agent_id)
                    await mesos.cut_off(agent_id)
            case "back":
                await self.back(agent_id)
            case "lose":
                await mesos.lose_agent(agent_id)
                self.stopped.discard(agent_id)
                self.hidden.discard(agent_id)
                await mesos.add_agent(SPEC)
            case "run":
                self.run(self.framework())
            case _:
                pass

    async def back(self, agent_id: str) -> None:
        if agent_id in self.stopped:
            self.stopped.discard(agent_id)
            await self.mesos.start_agent(agent_id)
        elif agent_id in self.hidden:
            self.hidden.discard(agent_id)
            await self.mesos.restore(agent_id)

    def run(self, framework: Framework) -> None:
        """Launch a task on an offer."""
        master = self.mesos.master
        for offer in list(master.offers.values()):
            self.launched += 1
            where = {"agent_id": {"value": offer.agent_id}}
            task = command_task(f"t{self.launched}", where, "sleep 600", mem=16)
            launch = {"type": "LAUNCH", "launch": {"task_infos": [task]}}
            accept = {"offer_ids": [{"value": offer.id}], "operations": [launch]}
            launching.accept(master, framework, {**accept, "filters": {"refuse_seconds": 0}})

    def whole(self) -> bool:
        """Whether the master knows all agents and exactly their tasks and executors."""
        master = self.mesos.master
        if master.agents.keys() != {agent.id for agent in self.mesos.agents}:
            return False
        known = {
            (task.agent_id, task.id)
            for task in self.framework().tasks.values()
            if not task.terminal
        }
        run = {(agent.id, name) for agent in self.mesos.agents for name in running(agent)}
        return known == run

    def check(self) -> None:
        master = self.mesos.master
        assert not {*master.recovered, *master.restarting, *master.unreachable}
        for agent in self.mesos.agents:
            assert agent.master is master
            held = Resources()
            for task in self.framework().tasks.values():
                if task.agent_id == agent.id and not task.terminal:
                    held = held + task.resources.unallocate()
            for offer in master.offers.values():
                if offer.agent_id == agent.id:
                    held = held + offer.resources.unallocate()
            free = master.allocator.available(agent.id)
            assert (held + free).scalars() == master.agents[agent.id].resources.scalars()


def running(agent: Agent) -> set[str]:
    return {name for executor in agent.executors.values() for name in executor.all_states()}


@pytest.mark.parametrize("seed", range(4))
def test_masters_and_agents_come_together_again(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mrmesos.minimesos.agent.agent.REREGISTRATION", 0.03)
    problems: list[object] = []

    async def live() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, what: problems.append(what))
        history = History(tmp_path, seed)
        await history.mesos.start()
        try:
            for _ in range(STEPS):
                await history.step()
                await asyncio.sleep(history.rng.choice([0.0, 0.0, 0.01, 0.05]))
            for agent in list(history.mesos.agents):
                await history.back(agent.id)
            end = time.monotonic() + DEADLINE
            while not history.whole():
                assert time.monotonic() < end
                await asyncio.sleep(0.01)
            history.check()
            assert history.launched
        finally:
            await history.mesos.stop()

    asyncio.run(live())
    assert not problems
