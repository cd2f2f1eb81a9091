"""The files that every sink with reduces leaves behind."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mrmesos.io.shuffle.index import INDEX_FILE, OUTPUT_FILE
from mrmesos.io.shuffle.sortbuffer import MapOutputFiles

Partition = Callable[[pa.RecordBatch], npt.NDArray[np.int32]]
"""Returns the partition of each record of a batch. The batch must have its sort column."""


def in_place(output: MapOutputFiles, work_dir: Path) -> dict[str, int]:
    """Rename the output's files, so that they are served.

    Returns the output's counters, of the group `task`.
    """
    output.data_path.replace(work_dir / OUTPUT_FILE)
    output.index_path.replace(work_dir / INDEX_FILE)
    return dict(output.counters)


def remove_output(work_dir: Path) -> None:
    """Undo `in_place`, if it was called."""
    for name in (OUTPUT_FILE, INDEX_FILE):
        (work_dir / name).unlink(missing_ok=True)


def raw_bytes(tracker_url: str, num_maps: int, memory: int) -> int:
    """Most bytes of one map's output that stay as they are although compression would save a third.

    They are the map's part of the machine's memory. 0 if other machines may fetch them. None
    can reach a TaskTracker at a loopback address.
    """
    host = urlsplit(tracker_url).hostname or ""
    try:
        stays = ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name
        stays = host == "localhost"
    return memory // max(1, num_maps) if stays else 0
