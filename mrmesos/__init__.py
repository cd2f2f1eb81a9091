"""mrmesos: a MapReduce engine for Python on Apache Mesos.

Job authors import from `mrmesos.api`. The `mrmesos` command, or `mrmesos.run` at the end of a
script, starts everything else.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

__version__ = "0.1.0"


def run(job: type, argv: Sequence[str] | None = None) -> NoReturn:
    """Run the job or chain of a script with the script's command line, and exit.

        if __name__ == "__main__":
            mrmesos.run(WordCount)

    `python wordcount.py INPUT...` then prints the results. Its options are those of submit, and
    those of the job itself. `argv` replaces `sys.argv[1:]`. Raises TypeError for another class.
    """
    importlib.import_module("mrmesos.startup").prepare()  # by name: rooms above are not imported
    if not sys.flags.safe_path and sys.path:  # files beside the script hide no module of ours
        sys.path.append(sys.path.pop(0))
    importlib.import_module("mrmesos.cli.script").main(job, argv)
    raise AssertionError("main exits")
