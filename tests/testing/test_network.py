"""Packets between loopback addresses are dropped, in the test's own network."""

from __future__ import annotations

import json
import socket
import subprocess
import sys

import pytest

from mrmesos.testing.network import (
    PacketFilter,
    closed,
    dropped,
    open_loopback,
    own_network,
    port_dropped,
)

HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
TRY_SECONDS = 0.3


def reached() -> list[str]:
    """The pairs of addresses that can connect."""
    found = []
    for server in HOSTS:
        with socket.create_server((server, 0)) as listening:
            address = listening.getsockname()
            for client in HOSTS:
                try:
                    socket.create_connection(address, TRY_SECONDS, (client, 0)).close()
                except TimeoutError:
                    continue
                found.append(f"{client[-1]}-{server[-1]}")
    return found


def look() -> None:
    """Print the results for the test."""
    open_loopback()
    packets = PacketFilter()
    seen = {"whole": reached()}
    with socket.create_server((HOSTS[0], 0)) as server:
        port = server.getsockname()[1]
        cuts = {
            "dropped": dropped("127.0.0.2", "127.0.0.3"),
            "closed": closed("127.0.0.2", "127.0.0.3"),
            "port": port_dropped("127.0.0.2", port),
        }
        for name, cut in cuts.items():
            packets.drop(cut)
            seen[name] = reached()
            if name == "port":
                for client in HOSTS:
                    try:
                        socket.create_connection((HOSTS[0], port), TRY_SECONDS, (client, 0)).close()
                    except TimeoutError:
                        seen["port refused"] = [client]
            packets.mend(cut)
    seen["mended"] = reached()
    print(json.dumps(seen))


@pytest.mark.timeout(120)
def test_cuts_are_of_those_addresses_only_and_can_be_mended() -> None:
    prefix = own_network()
    if not prefix:
        pytest.skip("no packets can be dropped here: it takes unshare, nft and the right to")
    code = "from tests.testing.test_network import look; look()"
    run = subprocess.run(
        [*prefix, sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    seen = json.loads(run.stdout)
    assert len(seen["whole"]) == 9
    gone = {name: sorted(set(seen["whole"]) - set(found)) for name, found in seen.items()}
    assert gone["dropped"] == ["2-3", "3-2"]  # answers are lost too
    assert gone["closed"] == ["2-3"]
    assert gone["port"] == []
    assert seen["port refused"] == ["127.0.0.2"]
    assert gone["mended"] == []
