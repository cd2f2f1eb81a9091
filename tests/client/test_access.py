"""Access control with real processes: the token's file, TLS, loopback."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mrmesos.access.signing import derived_key
from mrmesos.jobtracker.core.messages.journal_records import JobRecord, LifeRecord, TrackerRecord
from mrmesos.jobtracker.http.server import listening_address
from mrmesos.jobtracker.storage.journal import Journal
from tests.access.authority import Authority
from tests.cli.test_end_to_end import DEADLINE, TEXT, House, wait_until


def test_it_listens_on_loopback_unless_told_otherwise() -> None:
    assert listening_address("", "127.0.0.1:5050") == ("127.0.0.1", "127.0.0.1")
    assert listening_address("", "zk://127.0.0.1:2181/mesos") == ("127.0.0.1", "127.0.0.1")
    assert listening_address("192.0.2.1", "198.51.100.7:5050") == ("192.0.2.1", "192.0.2.1")
    assert listening_address("0.0.0.0", "127.0.0.1:5050") == ("0.0.0.0", "127.0.0.1")


def test_for_a_master_elsewhere_it_is_the_address_that_leads_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "mrmesos.jobtracker.http.server.address_towards", lambda master: "192.0.2.5"
    )
    assert listening_address("", "198.51.100.7:5050") == ("192.0.2.5", "192.0.2.5")
    assert listening_address("0.0.0.0", "198.51.100.7:5050") == ("0.0.0.0", "192.0.2.5")


_LIMITS = """
import resource
from mrmesos.jobtracker.http.server import allow_connections, most_connections
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (700, min(hard, 3000)))
assert most_connections() == 700 - 256
allow_connections()
print(most_connections())
"""


def test_there_are_files_for_connections() -> None:
    """Runs in its own process, because it changes the process' limits."""
    command = [sys.executable, "-c", _LIMITS]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert int(answer.stdout) == 3000 - 256


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    house.environment["MRMESOS_TOKEN_FILE"] = str(tmp_path / "access" / "token")
    yield house
    for process in house.started:
        if process.poll() is None:
            process.kill()
        process.communicate()
    wait_until(house.is_clean, f"the end of {house.processes()}")


def _minimesos(house: House) -> tuple[subprocess.Popen[str], str]:
    more = ("--port", "0", "--announce", "master", "--resources", "cpus:2;mem:4096")
    process = house.start("minimesos", "--agents", "2", *more)
    wait_until((house.directory / "master").exists, "minimesos")
    return process, (house.directory / "master").read_text().strip()


def _end(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGTERM)
    return process.communicate(timeout=DEADLINE)[1]


@pytest.mark.slow
@pytest.mark.parametrize("secure", [False, True])
def test_a_service_its_clients_and_strangers(house: House, secure: bool) -> None:
    settings = Authority(house.directory / "tls").settings() if secure else {}
    mesos, master = _minimesos(house)
    flags = [word for name, text in settings.items() for word in ("-D", f"{name}={text}")]
    service = house.start("jobtracker", "--master", master, "--port", "0", *flags)
    assert service.stdout is not None
    url = service.stdout.readline().split()[-1]
    assert url.startswith("https://127.0.0.1:" if secure else "http://127.0.0.1:")
    token = Path(house.environment["MRMESOS_TOKEN_FILE"])
    assert token.stat().st_mode & 0o777 == 0o600
    if secure:
        house.environment["MRMESOS_TLS_CA_FILE"] = settings["tls.ca.file"]

    more = ("--jobtracker", url, "-D", "job.maps=4", "-D", "job.reduces=2", "--report", "r.json")
    job = house.submit(*more)
    stdout, stderr = job.communicate(timeout=DEADLINE)
    assert job.returncode == 0, stderr
    assert house.counts() == Counter(TEXT.split())
    report = json.loads((house.directory / "r.json").read_text())
    assert len(report["attempts"]) == 6
    assert token.read_text().strip() not in stdout + stderr + json.dumps(report)

    for given in ({"MRMESOS_TOKEN": "somebody-elses-token"}, {"MRMESOS_TOKEN_FILE": "/nowhere"}):
        house.environment |= {"MRMESOS_TOKEN": ""} | given
        listed = house.start("job", "list", "--jobtracker", url)
        stdout, stderr = listed.communicate(timeout=DEADLINE)
        assert (listed.returncode, stdout) == (2, "")
        assert len(stderr.strip().splitlines()) == 1
        assert "token" in stderr
        refused = house.submit("--jobtracker", url, output="never")
        _, stderr = refused.communicate(timeout=DEADLINE)
        assert (refused.returncode, "token" in stderr) == (2, True), stderr
    _end(service)
    _end(mesos)


@pytest.mark.slow
def test_secrets_show_nowhere(house: House) -> None:
    """Not in Mesos' state, and not in arguments, environments or files of any process."""
    mesos, master = _minimesos(house)
    flags = ("--port", "0", "--state-dir", "state")
    service = house.start("jobtracker", "--master", master, *flags)
    assert service.stdout is not None
    url = service.stdout.readline().split()[-1]
    job = house.submit("--jobtracker", url, "-D", "pause=0.2")
    wait_until(house.mapping, "an attempt")
    shown = _shown_by(house) + _shown_by_mesos(master)
    assert "tracker_" in shown, "the arguments of TaskTrackers were checked"
    for secret in _secrets(house):
        assert secret not in shown
    assert job.communicate(timeout=DEADLINE)
    assert job.returncode == 0
    assert (house.directory / "state").stat().st_mode & 0o777 == 0o700
    _end(service)
    _end(mesos)


def _secrets(house: House) -> list[str]:
    copy = house.directory / "copy"
    shutil.copytree(house.directory / "state", copy)
    copy.chmod(0o700)
    journal = Journal(copy)
    records = journal.read()
    journal.close()
    secret = next(record.secret for record in records if isinstance(record, LifeRecord))
    keys = [derived_key(secret, r.id) for r in records if isinstance(r, TrackerRecord)]
    tokens = [record.token for record in records if isinstance(record, JobRecord)]
    assert secret
    assert keys
    assert tokens
    clients = Path(house.environment["MRMESOS_TOKEN_FILE"]).read_text().strip()
    return [secret, clients, *keys, *tokens]


def _shown_by_mesos(master: str) -> str:
    with urllib.request.urlopen(master + "/state", timeout=DEADLINE) as answer:
        shown: str = answer.read().decode()
    assert "slot_" in shown
    return shown


def _shown_by(house: House) -> str:
    """Arguments and environments of all processes, and all files in sandboxes."""
    shown = []
    mark = str(house.directory)
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            if any(mark in text for text in environment.values()):
                shown += [*process.cmdline(), *environment.values()]
        except psutil.Error:
            continue
    for path in (house.directory / "tmp").rglob("*"):
        if path.is_file():
            try:
                shown.append(path.read_bytes().decode("latin-1"))
            except OSError:
                continue
    return "\n".join(shown)
