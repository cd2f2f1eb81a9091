"""When findTask needs no search: all that waits, waits for other agents.

Then nothing starts on any agent without data of waiting maps. So nothing changes, and one look at
the index holds for all these agents.
"""

from __future__ import annotations

from mrmesos.jobtracker.core.model.agent import Agent
from mrmesos.jobtracker.core.scheduling.job_index import JobIndex
from mrmesos.resources import Amounts


def all_wait(index: JobIndex) -> bool:
    """Whether nothing may start away from its data: only maps wait, and each of their jobs waits
    for locality. Valid after `flush`.
    """
    maps = index.maps
    if index.reduces or index.backups or index.unheard or maps & index.clocked != maps:
        return False
    # any_level is a part of rack_level
    return not maps & (index.rack_level | index.loose | index.retries | index.counting)


def differs(index: JobIndex, agent: Agent) -> bool:
    """Whether an agent is not as good as any other: it has data of waiting maps, or it is not open
    to all jobs. Valid after `flush`.
    """
    special = index.eligibility.special or index.shunned or agent.gpus or agent.away is not None
    return bool(special or index.stored_on(agent))


def map_needs(index: JobIndex) -> list[Amounts]:
    """The different needs of waiting maps. Valid after `flush`."""
    return [shape.need for shape in index.shapes.values() if shape.maps & index.maps]
