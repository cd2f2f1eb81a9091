"""Tells a URL that a job has ended (`job.end-notification.url`), as Hadoop's JobEndNotifier does.

Comes in: ended jobs, from the core's thread, which never waits. Goes out: GET requests, repeated
while the receiver does not answer with 200. Threads: a few of its own. A notification is lost if
the JobTracker is killed before it is sent, or if too many wait.
"""

from __future__ import annotations

import contextlib
import http.client
import logging
import queue
import ssl
import threading
import time
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from mrmesos import conf as settings
from mrmesos.conf import Conf, ConfError
from mrmesos.wire.job import JobSpec, JobStatus

logger = logging.getLogger(__name__)

QUEUE_MAX = 10_000
THREADS = 4
_JOB, _STATUS = "$jobId", "$jobStatus"


class Notification(NamedTuple):
    """What is sent, and how often."""

    job_id: str
    url: str
    tries: int
    pause_seconds: float
    timeout_seconds: float


def notification(spec: JobSpec, status: JobStatus) -> Notification | None:
    """The notification that a job asks for. None if it asks for none. Raises ConfError."""
    conf = Conf(spec.conf)
    url = _url(conf)
    if not url:
        return None
    tries = min(
        conf.get_as(settings.END_NOTIFICATION_RETRIES) + 1,
        conf.get_as(settings.END_NOTIFICATION_TRIES_MAX),
    )
    pause = min(
        conf.get_as(settings.END_NOTIFICATION_INTERVAL),
        conf.get_as(settings.END_NOTIFICATION_INTERVAL_MAX),
    )
    filled = url.replace(_JOB, quote(status.job_id)).replace(_STATUS, status.state.value)
    timeout = conf.get_as(settings.END_NOTIFICATION_TIMEOUT) / 1000
    return Notification(status.job_id, filled, tries, pause / 1000, timeout)


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
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self.failed = 0
        """How many notifications were given up."""

    def job_ended(self, spec: JobSpec, status: JobStatus) -> None:
        """Tell the job's URL, if it has one."""
        try:
            wanted = notification(spec, status)
        except ConfError as problem:
            logger.warning("%s: nobody is told of its end: %s", status.job_id, problem)
            return
        if wanted is None or self._stopping.is_set():
            return
        host = (urlsplit(wanted.url).hostname or "").lower()
        if self._hosts and host not in self._hosts:
            logger.warning(
                "%s: nobody is told of its end: %s is not in %s",
                status.job_id,
                host,
                settings.END_NOTIFICATION_HOSTS.name,
            )
            return
        try:
            self._queue.put_nowait(wanted)
        except queue.Full:
            self.failed += 1
            logger.error("%s: nobody is told of its end: %d others wait", wanted.job_id, QUEUE_MAX)
            return
        if not self._threads:
            self._threads = [
                threading.Thread(target=self._run, name=f"notifier-{number}", daemon=True)
                for number in range(THREADS)
            ]
            for thread in self._threads:
                thread.start()

    def stop(self, timeout: float) -> None:
        """Send what waits, for at most `timeout` seconds. Then give it up."""
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
                return
            logger.info("%s: try %d to tell of its end: %s", wanted.job_id, number, problem)
            if number < wanted.tries and self._stopping.wait(wanted.pause_seconds):
                break
        self.failed += 1
        logger.warning("%s: nobody is told of its end, after %d tries", wanted.job_id, wanted.tries)


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
