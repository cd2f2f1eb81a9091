"""The texts that wrappers of Hadoop read: its version, and its log lines on stderr.

Imports nothing that is slow to load.
"""

from __future__ import annotations

import datetime as dt
import sys

HADOOP_VERSION = "3.4.1"
"""The version of Hadoop whose command line this is."""


def say(line: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def log(logger: str, line: str) -> None:
    """A line as Hadoop's log4j writes it."""
    now = dt.datetime.now()
    say(f"{now:%Y-%m-%d %H:%M:%S},{now.microsecond // 1000:03d} INFO {logger}: {line}")
