"""`python -m tests.chaos --minutes 30 --seed 7`: a chaos run, its log and its table."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from tests.chaos.run import chaos
from tests.zookeeper import zookeeper


def main() -> None:
    """Run, print; the files of a run that failed are kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--zookeeper", action="store_true", help="masters, elected by a ZooKeeper")
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="mrmesos-chaos-"))
    run, seconds = directory / "run", options.minutes * 60
    run.mkdir()
    print(f"seed {options.seed} in {directory}", flush=True)
    if options.zookeeper:
        with zookeeper(directory / "zk") as address:
            outcome = chaos(run, options.seed, seconds, say, zk=f"zk://{address}/mesos")
    else:
        outcome = chaos(run, options.seed, seconds, say)
    say(outcome.table())
    shutil.rmtree(directory)


def say(text: str) -> None:
    """At once, as the run may be watched."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
