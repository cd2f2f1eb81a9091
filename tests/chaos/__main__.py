"""`python -m tests.chaos --minutes 30 --seed 7`: runs chaos, and prints its log and a table."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from mrmesos.testing.network import PacketFilter, open_loopback, own_network
from tests.chaos.run import chaos
from tests.zookeeper import zookeeper

OWN_NETWORK = "MRMESOS_CHAOS_OWN_NETWORK"


def main() -> None:
    """Run and print. The files of a failed run are kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--zookeeper", action="store_true", help="several masters, elected by a ZooKeeper"
    )
    parser.add_argument("--without", action="append", default=[], help="a kind of fault to omit")
    options = parser.parse_args()
    packets = network()
    directory = Path(tempfile.mkdtemp(prefix="mrmesos-chaos-"))
    run, seconds = directory / "run", options.minutes * 60
    run.mkdir()
    print(f"seed {options.seed} in {directory}", flush=True)
    with contextlib.ExitStack() as stack:
        zk = ""
        if options.zookeeper:
            zk = f"zk://{stack.enter_context(zookeeper(directory / 'zk'))}/mesos"
        without = options.without
        outcome = chaos(run, options.seed, seconds, say, zk=zk, packets=packets, without=without)
    say(outcome.table())
    shutil.rmtree(directory)


def network() -> PacketFilter | None:
    """Start this process again in its own network namespace, if that is allowed."""
    if os.environ.pop(OWN_NETWORK, ""):
        open_loopback()
        return PacketFilter()
    if prefix := own_network():
        command = [*prefix, sys.executable, "-m", "tests.chaos", *sys.argv[1:]]
        sys.stdout.flush()
        os.execvpe(command[0], command, os.environ | {OWN_NETWORK: "1"})
    say("no packets can be dropped here (unshare, nft): no hosts are cut from each other")
    return None


def say(text: str) -> None:
    """Print at once: someone may watch the run."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
