"""A real browser at a real JobTracker, which runs real jobs on minimesos."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mrmesos.conf import Conf
from mrmesos.jobtracker.pages.serve import HistoryServer
from mrmesos.jobtracker.service import JobTrackerService
from mrmesos.jobtracker.storage.history import History
from mrmesos.minimesos.http.server import AgentSpec
from tests.minimesos.cluster import Cluster

pytest.importorskip("selenium", reason="selenium drives the browser")

from selenium.common.exceptions import (
    ElementClickInterceptedException,
    NoSuchElementException,
    StaleElementReferenceException,
    TimeoutException,
)
from selenium.webdriver import Chrome
from selenium.webdriver.support.wait import WebDriverWait

from tests.jobtracker.pages.chromium import chromium, found

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(found() is None, reason="needs Debian's chromium and chromium-driver"),
]

SECONDS = 200.0
TOKEN = "a-token-that-only-this-test-knows"
JOB = """
import time
from pathlib import Path
from mrmesos.api import Job, Mapper

def burn():
    end = time.thread_time() + 0.3
    while time.thread_time() < end:
        sum(range(1000))

class Waiting(Mapper):
    def map(self, offset, line):
        if line == "bad":
            fields = line.split(",")
            yield fields[3], 1
        while not Path(line).exists():
            time.sleep(0.05)
            self.context.set_status("waiting for a file")
        burn()
        yield line, 1

class TheJob(Job):
    mapper = Waiting
"""


class House:
    """A JobTracker on a small cluster, and jobs that clients submit."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.closed = directory, False
        (directory / "job.py").write_text(JOB)
        self.go = directory / "go"
        self.cluster = Cluster(directory / "work", AgentSpec("host-0", "cpus:3;mem:4096"))
        conf = {"jobtracker.jobhistory.location": str(directory / "history")}
        self.service = JobTrackerService(Conf(conf), self.cluster.url, token=TOKEN)
        self.url = self.service.start()

    def submit(self, name: str, line: str) -> str:
        (self.directory / name).write_text(f"{line}\n")
        words = ["job.py", "--input", name, "--output", f"out-{name}", "--detach"]
        words += ["--jobtracker", self.url, "-D", f"job.name={name}", "-D", "map.maxattempts=1"]
        words += ["-D", "task.profile=cpu"]
        ran = subprocess.run(
            [sys.executable, "-m", "mrmesos", "submit", *words, "-D", "map.memory.mb=256"],
            cwd=self.directory,
            env={**os.environ, "MRMESOS_TOKEN": TOKEN},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.service.stop(timeout=10.0)
            self.cluster.stop()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.close()


def shows(driver: Chrome, *words: str) -> None:
    """Wait until the page shows all these words, without loading it again.

    SECONDS is for busy machines, where the first attempt waits long for its worker.
    """

    def shown(_driver: Chrome) -> str:
        # One step, as the element may go with its page between two.
        words = "return document.querySelector('main')?.innerText ?? ''"
        return str(driver.execute_script(words))

    try:
        WebDriverWait(driver, SECONDS, poll_frequency=0.1).until(
            lambda _driver: all(word in shown(driver) for word in words)
        )
    except TimeoutException:
        raise AssertionError(f"{words} at {driver.current_url}: {shown(driver)}") from None


def click(driver: Chrome, what: str) -> None:
    """Click on what has these words, as soon as it is there. Live updates may replace it."""
    where = f"//*[self::a or self::summary or self::button][contains(., '{what}')]"

    def clicked(_driver: Chrome) -> bool:
        driver.find_element("xpath", where).click()
        return True

    moving = (ElementClickInterceptedException, StaleElementReferenceException)
    gone = (*moving, NoSuchElementException)
    WebDriverWait(driver, SECONDS, poll_frequency=0.1, ignored_exceptions=gone).until(clicked)


def test_a_user_logs_in_watches_a_job_finds_an_error_and_kills(house: House) -> None:
    watched = house.submit("watched", str(house.go))
    failing = house.submit("failing", "bad")
    with chromium() as driver:
        driver.get(house.url)  # as a click in Mesos' own page
        assert driver.current_url.endswith("/ui/login")
        driver.find_element("name", "token").send_keys(TOKEN)
        click(driver, "log in")
        shows(driver, "cluster", "host-0")

        click(driver, "jobs")
        shows(driver, "watched", "failing", "IndexError")
        click(driver, "watched")
        shows(driver, "running", "waiting for a file")
        click(driver, "attempts")
        click(driver, "m_000000_0")
        click(driver, "what it does now")
        shows(driver, "main thread", "in map", "job.py")
        driver.get(house.url)
        click(driver, "live")
        shows(driver, "TaskTracker on host-0", "disk, used", "map output served", "m_000000_0")
        driver.get(f"{house.url}/ui/jobs/{watched}")
        house.go.write_text("")  # the job may end now, and the page must follow
        shows(driver, "succeeded", "MAP_OUTPUT_RECORDS")
        assert driver.current_url.endswith(watched)
        click(driver, "attempts")
        click(driver, "m_000000_0")
        shows(driver, "profile", "CPU time", "burn (job.py)")
        box = "//*[name()='a'][contains(., 'burn (job.py)')]/*[name()='rect']"
        driver.find_element("xpath", box).click()
        shows(driver, "below", "show all")
        assert "?frame=" in driver.current_url

        click(driver, "jobs")
        click(driver, "failing")
        assert driver.current_url.endswith(failing)
        shows(driver, "IndexError: list index out of range", "yield fields[3], 1", "job.py")
        click(driver, "_m_000000_0")
        shows(driver, "yield fields[3], 1", "host-0")

        endless = house.submit("endless", str(house.directory / "never"))
        driver.get(f"{house.url}/ui/jobs/{endless}")
        shows(driver, "waiting for a file")
        click(driver, "kill this job")
        click(driver, f"kill {endless}")
        shows(driver, "killed")
        cookies = driver.execute_script("return document.cookie")
        assert cookies == ""  # no script can read the session

        house.close()  # the JobTracker has gone, and its history is read without it
        server = HistoryServer(History(house.directory / "history"), "127.0.0.1", 0)
        driver.get(server.start())
        try:
            shows(driver, "watched", "failing", "endless", "IndexError")
            click(driver, "failing")
            shows(driver, "ended the job", "yield fields[3], 1", "job.py")
            click(driver, "_m_000000_0")
            shows(driver, "IndexError: list index out of range", "host-0")
        finally:
            server.stop()
