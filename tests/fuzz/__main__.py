"""Fuzz JobTracker, TaskTracker and minimesos: `python -m tests.fuzz --seed 1 --messages 100000`."""

from __future__ import annotations

import argparse
import logging
import sys

from tests.fuzz.run import TARGETS, run


def main() -> int:
    """Print the figures of each target. A failure ends it with a traceback."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--messages", type=int, default=100_000, help="over all targets")
    parser.add_argument("--only", choices=sorted(TARGETS))
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)  # every bad message would be logged
    names = [given.only] if given.only else list(TARGETS)
    for name in names:
        print(run(name, given.seed, given.messages // len(names)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
