"""The rack of an agent: from an operator's table or script, as in Hadoop, or from Mesos.

Table and script have Hadoop's format (net.topology.* in core-default.xml). The table has two
columns: host (a name or address) and rack. The script gets hosts as arguments and prints one rack
for each. Thread: the driver's.
"""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from mrmesos import conf as settings
from mrmesos.conf import Conf, ConfError
from mrmesos.mesos.callbacks import Json

logger = logging.getLogger(__name__)

SCRIPT_HOSTS = 100
"""Most hosts for one run of the script, as in Hadoop's net.topology.script.number.args."""
SCRIPT_SECONDS = 10.0
AGAIN_SECONDS = 60.0
"""If the script has failed for a host, the host has no rack for this long."""
KNOWN_MAX = 100_000
DEFAULT_RACK = "/default-rack"
"""Hadoop's name for an unknown rack."""


class Topology:
    """Racks of agents. Only one thread may use it."""

    def __init__(self, table: Mapping[str, str] | None = None, script: str = "") -> None:
        self._table = table or {}
        self._script = script
        self._known: dict[str, str] = {}
        self._failed: dict[str, float] = {}

    @classmethod
    def of(cls, conf: Conf) -> Topology:
        """The topology of the settings. Raises ConfError if the table cannot be used."""
        path = conf.get_as(settings.TOPOLOGY_TABLE)
        return cls(read_table(path) if path else None, conf.get_as(settings.TOPOLOGY_SCRIPT))

    def learn(self, hosts: Sequence[str]) -> None:
        """Ask the script for hosts that are not known yet."""
        if not self._script:
            return
        now = time.monotonic()
        if len(self._known) > KNOWN_MAX or len(self._failed) > KNOWN_MAX:
            self._known.clear()
            self._failed.clear()
        ask = [
            host
            for host in dict.fromkeys(hosts)
            if host not in self._known and self._failed.get(host, 0.0) <= now
        ]
        for start in range(0, len(ask), SCRIPT_HOSTS):
            some = ask[start : start + SCRIPT_HOSTS]
            try:
                racks = _run(self._script, some)
            except (OSError, ValueError, subprocess.SubprocessError) as problem:
                logger.warning("racks of %d hosts are unknown: %s", len(ask) - start, problem)
                again = time.monotonic() + AGAIN_SECONDS
                self._failed.update(dict.fromkeys(ask[start:], again))
                return
            self._known.update(zip(some, racks, strict=True))

    def rack_of(self, offer: Json) -> str:
        """The rack of an Offer's agent. Empty if it is unknown."""
        address = offer.get("url", {}).get("address", {}).get("ip", "")
        for host in filter(None, (offer.get("hostname", ""), address)):
            if (rack := self._table.get(host) or self._known.get(host)) is not None:
                return "" if rack == DEFAULT_RACK else rack
        return rack_by_mesos(offer)


def rack_by_mesos(offer: Json) -> str:
    """The agent's text attribute `rack`. Without it: the region and zone of its fault domain."""
    for attribute in offer.get("attributes", ()):
        if attribute["name"] == "rack" and "text" in attribute:
            return str(attribute["text"]["value"])
    domain = offer.get("domain", {}).get("fault_domain", {})
    names = (domain.get(part, {}).get("name", "") for part in ("region", "zone"))
    return "".join(f"/{name}" for name in names if name)


def read_table(path: str) -> dict[str, str]:
    """Read a table: the racks, by host. Raises ConfError."""
    racks: dict[str, str] = {}
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfError(f"{settings.TOPOLOGY_TABLE.name}={path!r}: {problem}") from None
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if len(words) == 2:
            racks[words[0]] = words[1]
        elif words:
            raise ConfError(
                f"{settings.TOPOLOGY_TABLE.name}={path!r}, line {number}: expected a host and its "
                f"rack, got {line.strip()!r}"
            )
    return racks


def _run(script: str, hosts: Sequence[str]) -> list[str]:
    done = subprocess.run(
        [script, *hosts],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SCRIPT_SECONDS,
        check=True,
    )
    racks = done.stdout.split()
    if len(racks) != len(hosts):
        raise ValueError(f"{script} printed {len(racks)} racks for {len(hosts)} hosts")
    return racks
