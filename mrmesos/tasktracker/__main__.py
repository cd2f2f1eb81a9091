"""`python -m mrmesos.tasktracker`: the program that Mesos starts on an agent.

The order saves time. The first workers start at once, so that their imports overlap with ours. Then
we subscribe, and import the rest while Mesos answers.
"""

from __future__ import annotations

from mrmesos.startup import prepare

if __name__ == "__main__":
    prepare(module=True)

import logging
import os
import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mrmesos.conf import LOG_FORMAT, ConfError
from mrmesos.ending import LastCall, leave
from mrmesos.garbage import look_seldom
from mrmesos.log_format import PLAIN, begin_logging
from mrmesos.tasktracker.settings import SettingsError, TrackerSettings
from mrmesos.tasktracker.workers.processes import become_subreaper
from mrmesos.tasktracker.workers.spawn import Spawned, begin_worker, spawn_worker

if TYPE_CHECKING:
    from mrmesos.tasktracker.core import events as ev
    from mrmesos.tasktracker.shell import Shell

logger = logging.getLogger("mrmesos.tasktracker")

_MESOS_FAILED, _WE_FAILED = 1, 70


def main(waiting: Sequence[Spawned] = ()) -> int:
    """Run until asked to leave. Returns the exit status, 0 for success.

    `waiting`: workers that were started before this launch (`waiting.py`).
    """
    look_seldom()
    begin_logging(PLAIN, "tasktracker")
    try:
        settings = TrackerSettings.from_environment(os.environ)
        begin_logging(settings.conf.get_as(LOG_FORMAT), "tasktracker")
    except (SettingsError, ConfError) as problem:
        logger.error("%s", problem)
        return 2
    adopt_orphans = become_subreaper()
    try:
        workers = [begin_worker(w, n, settings.sandbox) for n, w in enumerate(waiting, start=1)]
        more = range(len(workers) + 1, settings.prestart + 1)
        workers += [spawn_worker(number, settings.sandbox) for number in more]
    except OSError as problem:
        logger.error("cannot start a worker: %s", problem)
        return _WE_FAILED
    import asyncio  # late, so that the workers start first

    return asyncio.run(_run(settings, workers, adopt_orphans))


async def _run(settings: TrackerSettings, workers: list[Spawned], adopt_orphans: bool) -> int:
    import asyncio

    from mrmesos.tasktracker.core import events as ev
    from mrmesos.tasktracker.executor import MesosExecutor

    loop = asyncio.get_running_loop()
    shells: list[Shell] = []

    # These run in the loop. It runs nothing before the first `await`, when the shell exists.
    def hand_on(event: ev.Event) -> None:
        loop.call_soon_threadsafe(lambda: shells[0].handle(event))

    def registered(agent_id: str, hostname: str) -> None:
        loop.call_soon_threadsafe(lambda: shells[0].registered(agent_id, hostname))

    def keyed(key: str) -> None:
        loop.call_soon_threadsafe(lambda: shells[0].use_key(key))

    last_call = LastCall()

    def leave(number: signal.Signals) -> None:
        last_call.signalled(number)
        shells[0].handle(ev.LeaveAsked(number.name))

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, leave, number)
    executor = MesosExecutor(hand_on, registered, keyed, exit_after_grace=True)
    executor.start()
    from mrmesos.tasktracker.shell import Shell

    shell = Shell(settings, executor, first_workers=workers, adopt_orphans=adopt_orphans)
    shells.append(shell)
    try:
        reason = await shell.run()
    except Exception:
        logger.exception("the TaskTracker failed")
        return _WE_FAILED
    finally:
        await asyncio.to_thread(executor.stop)
    if executor.failed:
        logger.error("%s", reason)
        return _MESOS_FAILED
    return 0


if __name__ == "__main__":
    leave(main())
