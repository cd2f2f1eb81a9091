"""Which address of an agent its processes are at, and which one they connect from."""

from __future__ import annotations

from collections.abc import Mapping


def source_address(environ: Mapping[str, str]) -> str:
    """Where this agent's processes connect from; empty for what the kernel chooses.

    Agents of one machine have loopback addresses as hosts have their own, 127.0.0.2 and on: from
    those, as the kernel would connect from 127.0.0.1 for all of them. Elsewhere its routes know
    better than we which address reaches whom.
    """
    address = agent_address(environ.get("MESOS_AGENT_ENDPOINT", ""))
    return address if address.startswith("127.") and address != "127.0.0.1" else ""


def agent_address(endpoint: str) -> str:
    """The host of `address:port`, without the brackets of IPv6."""
    return endpoint.rpartition(":")[0].strip("[]")
