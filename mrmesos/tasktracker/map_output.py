"""What every sink of a map's pairs leaves behind for the reduces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mrmesos.io.sortbuffer import MapOutput
from mrmesos.tasktracker.messages import INDEX_FILE, OUTPUT_FILE

Partition = Callable[[pa.RecordBatch], npt.NDArray[np.int32]]
"""The partition of each record of a batch that has its sort column."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a sink has written: counters of the group `task`, bytes of each partition."""

    counters: dict[str, int]
    partition_bytes: list[int] = field(default_factory=list)


def in_place(output: MapOutput, work_dir: Path) -> Written:
    """The output's files under the names by which they are served."""
    output.data_path.replace(work_dir / OUTPUT_FILE)
    output.index_path.replace(work_dir / INDEX_FILE)
    return Written(dict(output.counters), [segment.length for segment in output.index.segments])


def remove_output(work_dir: Path) -> None:
    """Undo `in_place`, whether it was done or not."""
    for name in (OUTPUT_FILE, INDEX_FILE):
        (work_dir / name).unlink(missing_ok=True)
