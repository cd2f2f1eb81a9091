"""Two hosts are cut from each other during a job: the job ends with the same bytes.

`python -m tests.chaos.cut_pair DIRECTORY HOW [SECONDS]`, in its own network namespace. HOW is
`forth`, `back`, `both` or `new`: drop packets from the first host to the second, the other way,
both ways, or only new connections from the first. Without SECONDS the cut never ends.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

from mrmesos.client.api_client import ApiProblem, Unreachable
from mrmesos.testing.network import NetworkCut, PacketFilter, closed, dropped, open_loopback
from mrmesos.wire.job import JobStatus
from tests.chaos.cluster import Cluster, Parts, wait_until
from tests.chaos.mesos_process import agent_address

ONE, OTHER = agent_address(0), agent_address(1)
HOW = {
    "forth": dropped(ONE, OTHER),
    "back": dropped(OTHER, ONE),
    "both": dropped(ONE, OTHER) | dropped(OTHER, ONE),
    "new": closed(ONE, OTHER),
}
MAPS_DONE = 6
"""Of twelve maps: both hosts have then finished some."""
END_SECONDS = 240.0
"""A job that has not ended by then would never end, even on a busy machine."""


def main(directory: Path, cut: NetworkCut, seconds: float) -> None:
    """Raises AssertionError."""
    open_loopback()
    packets = PacketFilter()
    cluster = Cluster(directory, random.Random(1), agents=2)
    try:
        cluster.start_jobtracker()
        calm = run(cluster, "calm", None, cut, 0.0)
        assert "_SUCCESS" in calm
        assert run(cluster, "cut", packets, cut, seconds) == calm
        wait_until(lambda: not cluster.resources_held(), "all resources to be given back")
        cluster.stop()
    except BaseException:
        print(cluster.log_tail() if cluster.url else "", flush=True)
        raise
    finally:
        cluster.kill_all()


def run(
    cluster: Cluster, output: str, packets: PacketFilter | None, cut: NetworkCut, seconds: float
) -> Parts:
    """Run one job and return its output. The hosts are cut when half of its maps are done."""
    client = cluster.submit("sort", output)
    try:
        if packets is not None:
            wait_until(lambda: _maps_done(cluster, output) >= MAPS_DONE, "some maps")
            packets.drop(cut)
            began, whole = time.monotonic(), False
            while client.poll() is None:
                lasts = time.monotonic() - began
                assert lasts < END_SECONDS, f"it waits: {_status(cluster, output)}"
                if seconds and lasts > seconds and not whole:
                    packets.mend(cut)
                    whole = True
                time.sleep(0.1)
            if not whole:
                packets.mend(cut)
            print(f"ended {time.monotonic() - began:.1f} s after the cut", flush=True)
        words = client.communicate()[0]
    finally:
        client.kill()
    log = (cluster.directory / "reports" / f"{output}.log").read_text()
    assert client.returncode == 0, f"{words}\n{log}"
    return cluster.parts(output)


def _status(cluster: Cluster, output: str) -> JobStatus | None:
    client = cluster.client()
    try:
        found = [each for each in client.statuses() if each.output.endswith(f"/{output}")]
    except (ApiProblem, Unreachable):
        return None
    finally:
        client.close()
    return found[0] if found else None


def _maps_done(cluster: Cluster, output: str) -> int:
    status = _status(cluster, output)
    return status.maps.succeeded if status is not None else 0


if __name__ == "__main__":
    main(Path(sys.argv[1]), HOW[sys.argv[2]], float(sys.argv[3]) if len(sys.argv) > 3 else 0.0)
