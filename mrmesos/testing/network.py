"""Network partitions between hosts: nftables drops packets between loopback addresses.

    command = [*own_network(), sys.executable, "-m", "some.module"]   # () if it is not possible

In that process, call `open_loopback()`, then create a `PacketFilter`. The process and its children
have their own network. So no other process loses packets, and nothing is left after their end. This
needs `unshare` and `nft`, and root or a kernel that lets users create namespaces.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import subprocess

import msgspec

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_IFREQ = struct.Struct("16sH14x")
_SECONDS = 30.0

_TABLE = "table ip mrmesos_testing"
_RULES = """
table ip mrmesos_testing {
  set cut { type ipv4_addr . ipv4_addr; }
  set closed { type ipv4_addr . ipv4_addr; }
  set to_port { type ipv4_addr . inet_service; }
  set from_port { type ipv4_addr . inet_service; }
  chain output {
    type filter hook output priority 0; policy accept;
    ip saddr . ip daddr @cut drop;
    ip saddr . ip daddr @closed tcp flags & (syn | ack) == syn drop;
    ip saddr . tcp dport @to_port drop;
    ip daddr . tcp sport @from_port drop;
  }
}
"""


class NetworkCut(msgspec.Struct, frozen=True):
    """The packets to drop, as elements of nftables' sets."""

    elements: tuple[tuple[str, str], ...]

    def __or__(self, other: NetworkCut) -> NetworkCut:
        return NetworkCut(self.elements + other.elements)


def dropped(sender: str, receiver: str) -> NetworkCut:
    """Drop all packets from one address to another. This already breaks TCP in both directions."""
    return NetworkCut((("cut", f"{sender} . {receiver}"),))


def closed(client: str, server: str) -> NetworkCut:
    """Drop new connections from `client` to `server`, like a firewall that was added later.

    Existing connections, and connections in the other direction, go on.
    """
    return NetworkCut((("closed", f"{client} . {server}"),))


def port_dropped(client: str, port: int) -> NetworkCut:
    """Drop all packets between an address and a server's port, at any server address."""
    return NetworkCut((("to_port", f"{client} . {port}"), ("from_port", f"{client} . {port}")))


class PacketFilter:
    """Drops packets, in a process that `own_network` started. Cuts must not share elements."""

    def __init__(self) -> None:
        """Raises OSError."""
        _nft(_RULES)

    def drop(self, cut: NetworkCut) -> None:
        """Drop these packets from now on. Raises OSError."""
        _nft("".join(f"add element {_name(each)}\n" for each in cut.elements))

    def mend(self, cut: NetworkCut) -> None:
        """Stop dropping these packets. Raises OSError."""
        _nft("".join(f"delete element {_name(each)}\n" for each in cut.elements))


def own_network() -> tuple[str, ...]:
    """A prefix that gives a command its own network; () if this is not possible."""
    if not (shutil.which("unshare") and shutil.which("nft")):
        return ()
    user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    command = ("unshare", *user, "--net", "--")
    try:
        tried = subprocess.run(
            [*command, "nft", "-f", "-"],
            input=_RULES.encode(),
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return command if tried.returncode == 0 else ()


def open_loopback() -> None:
    """Bring the loopback interface up. In a new network it is down. Raises OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        answer = fcntl.ioctl(sock, _SIOCGIFFLAGS, _IFREQ.pack(b"lo", 0) + bytes(8))
        _, flags = _IFREQ.unpack_from(answer)
        fcntl.ioctl(sock, _SIOCSIFFLAGS, _IFREQ.pack(b"lo", flags | _IFF_UP) + bytes(8))


def _name(element: tuple[str, str]) -> str:
    name, text = element
    return f"{_TABLE.removeprefix('table ')} {name} {{ {text} }}"


def _nft(script: str) -> None:
    done = subprocess.run(
        ["nft", "-f", "-"],
        input=script.encode(),
        capture_output=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode:
        raise OSError(f"nft: {done.stderr.decode(errors='replace').strip()}")
