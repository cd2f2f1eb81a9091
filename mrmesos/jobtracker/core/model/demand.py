"""What a job demands of an agent, apart from free resources: attributes, a role, GPUs. Pure.

A constraint is a list of clauses, separated by `;`. All of them must hold. The operators are those
that users of Marathon and Aurora know:

    rack in r1,r2; disk = ssd; zone != z3; gpu exists; level >= 2; hostname like node-1*

A clause names an attribute, or `hostname`. If the agent does not have the attribute, only clauses
with `!=`, `not in`, `unlike` and `not exists` hold. Numbers are compared by value (`2.0 = 2`), and
a range attribute (`[1-5]`) equals each number in it. `like` takes a shell pattern with `*`, `?` and
`[…]`. It takes no regular expression, because some of those need exponential time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from mrmesos.wire.ids import HostName

if TYPE_CHECKING:
    from mrmesos.jobtracker.core.model.agent import Agent

GPUS = "gpus"
"""The resource's name in Mesos."""
HOSTNAME = "hostname"
MAX_CLAUSES = 32
MAX_TEXT = 4096

_CLAUSE = re.compile(
    r"(?P<name>[\w.\-/]+?)\s*"
    r"(?:(?P<sign>==|=|!=|>=|<=|>|<)|\s(?P<word>not\s+in|in|unlike|like|not\s+exists|exists)\b)"
    r"\s*(?P<value>.*)",
    re.DOTALL,
)
_NEGATIVE = {"!=": "=", "not in": "in", "unlike": "like", "not exists": "exists"}
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
}


class Clause(msgspec.Struct, frozen=True):
    """One clause. `operator` is its positive form. `negated` is set for the opposite."""

    name: str
    operator: str
    values: tuple[str, ...]
    negated: bool = False

    def holds(self, value: str | None) -> bool:
        """Whether it holds for the attribute's value (None: the agent has no such attribute)."""
        return self.negated != (value is not None and self._is(value))

    def _is(self, value: str) -> bool:
        if self.operator == "exists":
            return True
        if self.operator == "in":
            return any(_equal(value, wanted) for wanted in self.values)
        if self.operator == "like":
            return any(fnmatchcase(value, pattern) for pattern in self.values)
        number = _number(value)
        limit = _number(self.values[0])
        return number is not None and limit is not None and _COMPARE[self.operator](number, limit)


class Constraints(msgspec.Struct, frozen=True):
    """All clauses that an agent must meet. Empty: any agent. `text` is what the user wrote."""

    text: str = ""
    clauses: tuple[Clause, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.clauses)

    def allow(self, hostname: HostName, attributes: Mapping[str, str]) -> bool:
        """Whether an agent with this name and these attributes meets all clauses."""
        return all(
            clause.holds(hostname if clause.name == HOSTNAME else attributes.get(clause.name))
            for clause in self.clauses
        )


NO_CONSTRAINTS = Constraints()


def parse_constraints(text: str) -> Constraints:
    """Parse `text`. Raises ValueError that names the bad clause."""
    if len(text) > MAX_TEXT:
        raise ValueError(f"longer than {MAX_TEXT} characters")
    parts = [part.strip() for part in text.split(";") if part.strip()]
    if len(parts) > MAX_CLAUSES:
        raise ValueError(f"more than {MAX_CLAUSES} clauses")
    return Constraints(text.strip(), tuple(_clause(part) for part in parts))


def _clause(part: str) -> Clause:
    found = _CLAUSE.fullmatch(part)
    if found is None:
        raise ValueError(
            f"{part!r} is no constraint such as `rack in r1,r2`, `disk = ssd`, `gpu exists`"
        )
    said = " ".join((found["sign"] or found["word"]).split())
    negated, operator = said in _NEGATIVE, _NEGATIVE.get(said, said)
    values = tuple(value.strip() for value in found["value"].split(",") if value.strip())
    if operator in ("=", "=="):
        operator, values = "in", (found["value"].strip(),) if found["value"].strip() else ()
    if operator == "exists":
        if values:
            raise ValueError(f"{part!r}: nothing may follow `exists`")
    elif not values:
        raise ValueError(f"{part!r} names no value")
    if operator in _COMPARE and (len(values) != 1 or _number(values[0]) is None):
        raise ValueError(f"{part!r} compares with something that is no number")
    return Clause(found["name"], operator, values, negated)


def _equal(value: str, wanted: str) -> bool:
    if value == wanted:
        return True
    number = _number(wanted)
    if number is None:
        return False
    if value.startswith("["):
        return any(low <= number <= high for low, high in _ranges(value))
    return _number(value) == number


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


@lru_cache(maxsize=1024)
def _ranges(text: str) -> tuple[tuple[float, float], ...]:
    """The ranges of a range attribute, such as `[1-2,5-6]`. Empty for any other text."""
    pairs = (part.partition("-") for part in text.strip("[]").split(","))
    bounds = ((_number(low), _number(high)) for low, _, high in pairs)
    return tuple((low, high) for low, high in bounds if low is not None and high is not None)


class Demand(msgspec.Struct, frozen=True):
    """Constraints on the agent's attributes, the Mesos role of the resources, and GPUs.

    Jobs that demand the same have equal Demands, so each agent is checked once per Demand.
    """

    constraints: Constraints = NO_CONSTRAINTS
    role: str = ""
    """Empty: any of the framework's roles."""
    gpus: bool = False

    def met_by(self, agent: Agent, role: str) -> bool:
        """Whether the job may use resources of `agent` that are offered to `role`."""
        return (not self.role or self.role == role) and self.suits(agent)

    def suits(self, agent: Agent) -> bool:
        """Whether this agent may run the job's tasks at all, ignoring how much it has free.

        A job without GPUs does not use agents with GPUs. Mesos asks this of frameworks that can
        use GPUs (FrameworkInfo.Capability.GPU_RESOURCES in mesos.proto).
        """
        if agent.gpus and not self.gpus:
            return False
        if not self.constraints:
            return True
        known = agent.suits.get(self.constraints)
        if known is None:
            known = self.constraints.allow(agent.hostname, agent.attributes)
            agent.suits[self.constraints] = known
        return known


ANYWHERE = Demand()
