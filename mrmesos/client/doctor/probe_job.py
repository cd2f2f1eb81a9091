"""A job that reports facts about the agent where it runs. It reads nothing and writes nothing.

It goes to the agent with its source. So it may use only names that older versions of mrmesos have,
too.
"""

import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mrmesos.api import FileSplit, Job, Mapper, NullOutput, RecordReader

MARK = "mrmesos-doctor "


class OneRecord(RecordReader):
    """One record. The file is not opened."""

    def read(self, split: FileSplit) -> Iterable[Any]:
        """See RecordReader."""
        return [(split.uri, "")]


class Tell(Mapper):
    """Prints the facts as one line of JSON."""

    def map(self, key: Any, value: Any) -> None:
        """See Mapper."""
        del key, value
        import mrmesos

        uris = self.context.params.get("doctor.uris", "")
        facts = {
            "python": platform.python_version(),
            "executable": sys.executable,
            "mrmesos": mrmesos.__version__,
            "time": time.time(),
            "user": str(os.geteuid()),
            "free_mb": {
                disk(path): shutil.disk_usage(path).free >> 20
                for path in (Path.cwd(), Path(tempfile.gettempdir()))
            },
            "uris": [look(uri) for uri in uris.split("\n") if uri],
        }
        print(MARK + json.dumps(facts), flush=True)


def disk(path: Path) -> str:
    """The mount point of the disk with this path."""
    while not path.is_mount():
        path = path.parent
    return str(path)


def look(uri: str) -> dict[str, str]:
    """Whether the URI's filesystem can be opened, and which driver is missing."""
    from mrmesos.io.fs.filesystem import open_filesystem

    try:
        fs, path = open_filesystem(uri)
        fs.exists(path)
    except Exception as problem:  # noqa: BLE001 (drivers raise any type)
        words = " ".join(str(problem).split())[:300]
        at = words.find("pip install '")
        driver = words[at + 13 :].rstrip("'") if at >= 0 and "not installed" in words else ""
        return {"uri": uri, "problem": words.removeprefix(f"{uri}: "), "driver": driver}
    return {"uri": uri}


class Doctor(Job):
    """The job."""

    mapper = Tell
    input_format = OneRecord()
    output_format = NullOutput()
