"""The address of an agent, and the address from which its processes connect."""

from __future__ import annotations

from collections.abc import Mapping


def source_address(environ: Mapping[str, str]) -> str:
    """The address from which this agent's processes connect; empty lets the kernel choose.

    Several agents on one machine each have their own loopback address, from 127.0.0.2 on. Their
    processes must connect from it, because the kernel would choose 127.0.0.1 for all of them. On a
    real network, the kernel's routes choose best.
    """
    address = agent_address(environ.get("MESOS_AGENT_ENDPOINT", ""))
    return address if address.startswith("127.") and address != "127.0.0.1" else ""


def agent_address(endpoint: str) -> str:
    """The host of `address:port`, without the brackets of IPv6."""
    return endpoint.rpartition(":")[0].strip("[]")
