"""A worker process: `python -m mrmesos.worker --fd N`; N is one end of a socket pair (`messages`).

A TaskTracker starts workers before it has work for them, so that pyarrow is already imported when
work comes. With `--waits`, the TaskTracker itself waits for its launch. Then the first message says
where the worker runs, and with which environment. A worker never outlives its TaskTracker: the
kernel kills it when its parent dies (see also `loop`).
"""

from __future__ import annotations

from mrmesos.garbage import look_seldom, set_apart
from mrmesos.startup import prepare

if __name__ == "__main__":
    prepare(module=True)
    look_seldom()

import argparse
import logging
import os
import socket
import threading

from mrmesos.ending import die_with_parent
from mrmesos.worker.stack_signal import answer_with_stacks


def main() -> None:
    """Set up the process (own group, threads for one CPU), then run attempts."""
    parser = argparse.ArgumentParser(prog="mrmesos.worker")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--waits", action="store_true")
    options = parser.parse_args()
    fd: int = options.fd
    answer_with_stacks()
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    if os.getpgid(0) != os.getpid():
        os.setpgid(0, 0)
    die_with_parent()
    os.set_inheritable(fd, False)
    import pyarrow as pa

    set_apart()  # imported objects stay for good; before the first look at them, and after
    import mrmesos.worker.bare_compute  # noqa: F401 (before others import pyarrow.compute)
    from mrmesos.worker.begin import begin
    from mrmesos.worker.loop import Worker

    set_apart()
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    channel = socket.socket(fileno=fd)
    if options.waits and not begin(channel):
        return
    worker = Worker(channel)
    threading.Thread(target=worker.listen, name="channel", daemon=True).start()
    worker.run()


if __name__ == "__main__":
    main()
