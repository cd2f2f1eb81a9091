"""The addresses of masters and agents, as users write them and as the drivers use them."""

from __future__ import annotations

__all__ = ["host_and_port", "parse_master"]


def host_and_port(address: str) -> tuple[str, int]:
    """Split "host:port".

    Raises:
        ValueError: it is not of that form.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 < int(port) < 65536 or ":" in host:
        raise ValueError(f"not an address of the form host:port: {address!r}")
    return host, int(port)


def parse_master(master: str) -> str:
    """Convert a master's name to the form that the driver uses: "host:port" or "zk://…".

    It accepts "host", "host:port", "http://host:port" and "zk://h1:p1,h2:p2/path".

    Raises:
        ValueError: for any other form, also for https, because the driver does not support TLS.
    """
    scheme, separator, rest = master.strip().rpartition("://")
    scheme = scheme.lower()
    if scheme == "zk":
        hosts, slash, path = rest.partition("/")
        if not hosts or not slash or not path or "@" in hosts:
            raise ValueError(
                f"a ZooKeeper master is zk://host:port,…/path (no credentials), not {master!r}"
            )
        return f"zk://{rest}"
    if separator and scheme != "http":
        raise ValueError(f"a master is host:port, http://host:port or zk://…, not {master!r}")
    address = rest.rstrip("/")
    if ":" not in address:
        address += ":5050"
    host_and_port(address)
    return address
