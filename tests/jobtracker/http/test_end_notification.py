"""A URL is told that a job has ended, with retries as Hadoop has them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from msgspec.structs import replace

from mrmesos.conf import Conf
from mrmesos.jobtracker.http.end_notification import Notifier, notification
from mrmesos.jobtracker.http.errors import BadRequest
from mrmesos.jobtracker.http.job_validation import check_job
from mrmesos.wire.job import JobSpec, JobState
from tests.jobtracker.history.runs import ended_run
from tests.wire.specs import job_spec

STATUS = ended_run().report.status
URL = "job.end-notification.url"


class Ear:
    """Hears requests, and answers with these statuses in turn, then with 200. It answers nothing
    while it is not `free`.
    """

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.answers: list[int] = []
        self.free = threading.Event()
        self.free.set()
        ear = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                ear.heard.append(self.path)
                ear.free.wait(60.0)
                status = ear.answers.pop(0) if ear.answers else 200
                self.send_response(status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *words: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/ended?id=$jobId&how=$jobStatus"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def ear() -> Iterator[Ear]:
    ear = Ear()
    yield ear
    ear.server.shutdown()
    ear.server.server_close()


def asking(url: str, **more: str) -> JobSpec:
    """A job with these settings; `retry_interval="1"` sets job.end-notification.retry.interval."""
    settings = {f"job.end-notification.{key.replace('_', '.')}": more[key] for key in more}
    return job_spec(conf={URL: url, **settings})


def tell(spec: JobSpec, state: JobState = JobState.SUCCEEDED, **conf: str) -> int:
    """A job has ended. Returns how many notifications were given up."""
    notifier = Notifier(Conf({"jobtracker.end-notification.hosts": conf.get("hosts", "")}))
    notifier.job_ended(spec, replace(STATUS, state=state))
    notifier.stop(20.0)
    return notifier.failed


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED, JobState.KILLED])
def test_the_url_is_told_which_job_ended_and_how(ear: Ear, state: JobState) -> None:
    assert tell(asking(ear.url), state) == 0
    assert ear.heard == [f"/ended?id={STATUS.job_id}&how={state.value}"]


def test_it_is_tried_again_but_not_for_ever(ear: Ear) -> None:
    again = {"retry_attempts": "9", "retry_interval": "1"}
    ear.answers = [500, 302, 404]
    assert tell(asking(ear.url, **again)) == 0
    assert len(ear.heard) == 4
    assert not any("elsewhere" in path for path in ear.heard), "redirects are not followed"
    ear.answers = [500] * 99
    assert tell(asking(ear.url, **again)) == 1
    assert len(ear.heard) == 4 + 10
    assert tell(asking(ear.url)) == 1, "no retries are asked for"
    assert len(ear.heard) == 15


def test_tries_and_pauses_have_limits() -> None:
    plain = notification("job_1_1", JobState.FAILED, asking("http://h/").conf)
    assert plain is not None
    assert (plain.tries, plain.pause_seconds, plain.timeout_seconds) == (1, 1.0, 5.0)
    more = {"retry_interval": "999999", "retry_attempts": "999", "timeout": "100"}
    most = notification("job_1_1", JobState.FAILED, asking("http://h/", **more).conf)
    assert most is not None
    assert (most.tries, most.pause_seconds, most.timeout_seconds) == (21, 60.0, 0.1)
    assert notification("job_1_1", JobState.FAILED, {}) is None


def test_hosts_that_are_not_allowed_are_not_asked(
    ear: Ear, caplog: pytest.LogCaptureFixture
) -> None:
    assert tell(asking(ear.url), hosts="example.org") == 0
    assert ear.heard == []
    assert "127.0.0.1 is not in jobtracker.end-notification.hosts" in caplog.text
    tell(asking(ear.url), hosts="example.org, 127.0.0.1")
    assert len(ear.heard) == 1


def test_a_receiver_that_is_gone_costs_nobody_anything(caplog: pytest.LogCaptureFixture) -> None:
    ear = Ear()
    ear.server.server_close()
    ear.server.shutdown()
    with caplog.at_level(logging.INFO):
        assert tell(asking(ear.url)) == 1
    assert "its end was not taken in 1 tries" in caplog.text


@pytest.mark.parametrize(
    "url", ["ftp://host/", "host:80", "http://", "http://h:99999/", "http://h/a b", "http://h/\x01"]
)
def test_a_url_that_cannot_be_asked_is_refused_at_submission(url: str) -> None:
    with pytest.raises(BadRequest, match=r"job\.end-notification\.url"):
        check_job(asking(url))
    check_job(asking("https://host:8443/x?id=$jobId"))
