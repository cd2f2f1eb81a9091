"""Tells a URL that a job has ended (`job.end-notification.url`), as Hadoop's JobEndNotifier does.

Comes in: ended jobs, from the core's thread, which never waits. Goes out: GET requests, repeated
while the receiver does not answer with 200. Threads: a few of its own.

The journal has a NoticeRecord from the job's end until the URL was told or given up. So a
JobTracker that is killed meanwhile leaves it to the next one, and a URL may be told twice.
"""

from __future__ import annotations

import contextlib
import http.client
import logging
import queue
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from mrmesos import conf as settings
from mrmesos.conf import Conf, ConfError
from mrmesos.jobtracker.core.messages.journal_records import Key, NoticeRecord
from mrmesos.wire.job import JobSpec, JobState, JobStatus

logger = logging.getLogger(__name__)

QUEUE_MAX = 10_000
THREADS = 4
RETRIES_MAX, PAUSE_MAX_MS = 20, 60_000
"""Limits for every job. A receiver that never answers must not hold a thread for hours."""
_JOB, _STATUS = "$jobId", "$jobStatus"


class Notification(NamedTuple):
    """A request to send, and how often."""

    job_id: str
    url: str
    tries: int
    pause_seconds: float
    timeout_seconds: float


def notification(job_id: str, state: JobState, given: Mapping[str, str]) -> Notification | None:
    """The notification that a job with these settings asks for. None if it asks for none. Raises
    ConfError.
    """
    conf = Conf(dict(given))
    url = _url(conf)
    if not url:
        return None
    tries = min(conf.get_as(settings.END_NOTIFICATION_RETRIES), RETRIES_MAX) + 1
    pause = min(conf.get_as(settings.END_NOTIFICATION_INTERVAL), PAUSE_MAX_MS)
    filled = url.replace(_JOB, quote(job_id)).replace(_STATUS, state.value)
    timeout = conf.get_as(settings.END_NOTIFICATION_TIMEOUT) / 1000
    return Notification(job_id, filled, tries, pause / 1000, timeout)


def _url(conf: Conf) -> str:
    """The URL as it was given; empty if none was. Raises ConfError."""
    name, url = settings.END_NOTIFICATION_URL.name, conf.get_as(settings.END_NOTIFICATION_URL)
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        fine = False
    if not fine or not (url.isascii() and url.isprintable()) or " " in url:
        example = f"http://host:8080/ended?id={_JOB}"
        raise ConfError(f"{name}={url[:200]!r}: expected a URL such as {example}")
    return url


def check_end_notification(spec: JobSpec) -> None:
    """Raise ConfError if a job's `job.end-notification.url` cannot be used."""
    _url(Conf(spec.conf))


class Notifier:
    """`job_ended` may be called in any thread. Its threads start with the first notification."""

    def __init__(self, conf: Conf) -> None:
        hosts = conf.get_as(settings.END_NOTIFICATION_HOSTS)
        self._hosts = {host.strip().lower() for host in hosts.split(",") if host.strip()}
        self._queue: queue.Queue[Notification | None] = queue.Queue(QUEUE_MAX)
        self._told: deque[Key] = deque()
        self._known: set[str] = set()  # jobs of this life, so that none is taken twice
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self.failed = 0
        """How many notifications were given up."""

    def job_ended(self, spec: JobSpec, status: JobStatus) -> None:
        """Tell the job's URL, if it has one."""
        if spec.conf.get(settings.END_NOTIFICATION_URL.name):
            self._take(status.job_id, status.state, spec.conf)

    def resume(self, notices: Iterable[NoticeRecord]) -> None:
        """Tell what an earlier JobTracker may not have told."""
        for notice in notices:
            self._take(notice.job_id, notice.state, notice.conf)

    def told(self) -> tuple[Key, ...]:
        """The NoticeRecords that are not needed any more, since the last call. For the thread that
        writes the journal.
        """
        found: list[Key] = []
        while self._told:
            key = self._told.popleft()
            self._known.discard(key.name)
            found.append(key)
        return tuple(found)

    def _over(self, job_id: str) -> None:
        self._told.append(Key("", NoticeRecord.kind, job_id))

    def _take(self, job_id: str, state: JobState, conf: Mapping[str, str]) -> None:
        if job_id in self._known or self._stopping.is_set():
            return
        self._known.add(job_id)
        if not self._queued(job_id, state, conf):
            self._over(job_id)

    def _queued(self, job_id: str, state: JobState, conf: Mapping[str, str]) -> bool:
        """Whether the job's URL will be told."""
        try:
            wanted = notification(job_id, state, conf)
        except ConfError as problem:
            logger.warning("%s: no notification of its end is sent: %s", job_id, problem)
            return False
        if wanted is None:
            return False
        host = (urlsplit(wanted.url).hostname or "").lower()
        if self._hosts and host not in self._hosts:
            logger.warning(
                "%s: no notification of its end is sent: %s is not in %s",
                job_id,
                host,
                settings.END_NOTIFICATION_HOSTS.name,
            )
            return False
        try:
            self._queue.put_nowait(wanted)
        except queue.Full:
            self.failed += 1
            logger.error("%s: its end is not notified: %d others wait", job_id, QUEUE_MAX)
            return False
        if not self._threads:
            self._threads = [
                threading.Thread(target=self._run, name=f"notifier-{number}", daemon=True)
                for number in range(THREADS)
            ]
            for thread in self._threads:
                thread.start()
        return True

    def stop(self, timeout: float) -> None:
        """Send what waits, for at most `timeout` seconds. The rest is left to the next JobTracker
        on this journal.
        """
        deadline = time.monotonic() + timeout
        for _ in self._threads:
            with contextlib.suppress(queue.Full):  # then the threads see `_stopping`
                self._queue.put_nowait(None)
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._stopping.set()

    # In the notifier's threads.

    def _run(self) -> None:
        while (wanted := self._queue.get()) is not None and not self._stopping.is_set():
            self._tell(wanted)

    def _tell(self, wanted: Notification) -> None:
        for number in range(1, wanted.tries + 1):
            problem = _send(wanted)
            if not problem:
                self._over(wanted.job_id)
                return
            logger.info("%s: notification of its end, try %d: %s", wanted.job_id, number, problem)
            if number < wanted.tries and self._stopping.wait(wanted.pause_seconds):
                logger.warning("%s: not told of its end before this one stops", wanted.job_id)
                return
        self.failed += 1
        self._over(wanted.job_id)
        logger.warning("%s: its end was not taken in %d tries", wanted.job_id, wanted.tries)


def _send(wanted: Notification) -> str:
    """Send one request. Returns what went wrong; empty if the answer is 200. Redirects are not
    followed: they could lead anywhere.
    """
    parts = urlsplit(wanted.url)
    host, timeout = parts.hostname or "", wanted.timeout_seconds
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(host, parts.port, timeout=timeout, context=context)
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=timeout)
    try:
        path = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        connection.request("GET", path, headers={"User-Agent": "mrmesos"})
        status = connection.getresponse().status
        return "" if status == 200 else f"HTTP {status}"
    except (OSError, http.client.HTTPException) as problem:
        return str(problem) or type(problem).__name__
    finally:
        connection.close()
