"""`mrmesos ui`, `/metrics` and the pages of a JobTracker with the real service."""

from __future__ import annotations

import http.client
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlencode, urlsplit

import pytest
from click.testing import CliRunner

from mrmesos.cli import main
from tests.jobtracker.test_service import Desk

PUBLIC = {"jobtracker.metrics.public": "true"}


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    desk = Desk(PUBLIC)
    yield desk
    desk.service.stop(timeout=2.0)


def ask(
    url: str,
    path: str,
    form: dict[str, str] | None = None,
    cookie: str = "",
    further: dict[str, str] | None = None,
) -> tuple[int, str, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    headers = {**(further or {}), **({"Cookie": cookie} if cookie else {})}
    body = None
    if form is not None:
        headers |= {"Origin": url, "Content-Type": "application/x-www-form-urlencoded"}
        body = urlencode(form)
    connection.request("GET" if form is None else "POST", path, body, headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text, answer.headers


def test_ui_prints_an_address_that_logs_in_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MRMESOS_TOKEN", desk.service.token)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    ran = CliRunner().invoke(main, ["ui", "--jobtracker", desk.service.url])
    assert ran.exit_code == 0, ran.output
    address = ran.stdout.strip()
    url, ticket = desk.service.url, address.partition("ticket=")[2]
    assert address == f"{url}/ui/login?ticket={ticket}"
    assert desk.service.token not in address
    status, _, headers = ask(url, "/ui/login", {"ticket": ticket})
    assert (status, headers["Location"]) == (303, "/ui/")
    cookie = headers["Set-Cookie"].partition(";")[0]
    status, text, _ = ask(url, "/ui/", cookie=cookie)
    assert status == 200
    assert "No agent has made an offer yet" in text
    assert ask(url, "/ui/jobs", cookie=cookie)[0] == 200
    assert ask(url, "/api/v1/jobs", cookie=cookie)[0] == 401  # the cookie opens only pages


def test_the_address_in_mesos_own_page_leads_to_the_login(desk: Desk) -> None:
    status, _, headers = ask(desk.service.url, "/")
    assert (status, headers["Location"]) == (302, "/ui/")
    status, _, headers = ask(desk.service.url, "/ui/")
    assert (status, headers["Location"]) == (303, "/ui/login")
    assert ask(desk.service.url, "/ui/login")[0] == 200


def test_a_link_of_another_site_leads_to_pages_only(desk: Desk) -> None:
    link = {
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    }
    found = {path: ask(desk.service.url, path, further=link)[0] for path in ("/", "/ui/", "/ui/x")}
    assert found == {"/": 302, "/ui/": 200, "/ui/x": 200}
    for path in ("/api/v1/jobs", "/metrics", "/health", "/uix"):
        assert ask(desk.service.url, path, further=link)[0] == 403, path


def test_tickets_are_for_clients_only(desk: Desk) -> None:
    assert ask(desk.service.url, "/api/v1/ui/ticket", {})[0] == 401


def test_metrics_are_public_only_if_a_setting_says_so(desk: Desk) -> None:
    status, text, headers = ask(desk.service.url, "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain")
    assert "\nmrmesos_jobs_ended_total" in text or "# TYPE mrmesos_jobs_ended_total" in text
    other = Desk({})
    try:
        assert ask(other.service.url, "/metrics")[0] == 401
    finally:
        other.service.stop(timeout=2.0)


def test_ui_without_a_jobtracker_says_so_in_one_line() -> None:
    ran = CliRunner().invoke(main, ["ui", "--jobtracker", "http://127.0.0.1:1"])
    assert ran.exit_code == 2
    assert "no answer from the JobTracker at" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_clients_import_nothing_of_the_pages() -> None:
    code = (
        "import sys, mrmesos.cli.submit, mrmesos.cli.job, mrmesos.cli.ui, mrmesos.cli.history\n"
        "import mrmesos.client.submission\n"
        "print([m for m in ('jinja2', 'prometheus_client', 'aiohttp') if m in sys.modules])\n"
        "import mrmesos.jobtracker.service\n"
        "print([m for m in ('jinja2', 'prometheus_client') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (ran.stdout.split("\n"), ran.stderr) == (["[]", "[]", ""], "")


def test_ui_prints_a_read_only_link(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MRMESOS_TOKEN", desk.service.token)
    words = ["ui", "--jobtracker", desk.service.url]
    ran = CliRunner().invoke(main, [*words, "--link", "24", "--job", "job_1_1"])
    assert ran.exit_code == 0, ran.output
    link = ran.stdout.strip().partition("link=")[2]
    assert ".job_1_1." in link
    status, _, headers = ask(desk.service.url, "/ui/login", {"link": link})
    assert (status, headers["Location"]) == (303, "/ui/jobs/job_1_1")
    assert CliRunner().invoke(main, [*words, "--job", "job_1_1"]).exit_code == 2
    assert CliRunner().invoke(main, [*words, "--link", "1", "--job", "x"]).exit_code == 2
    assert CliRunner().invoke(main, [*words, "--link", "0"]).exit_code == 2
