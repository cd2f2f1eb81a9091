"""`mrmesos doctor` in a stranger's cluster: ten faults are planted, found, and their remedy said.

A minimesos plays the stranger's Mesos. It runs in another directory, with another Python
environment: one with links to the packages of ours, of which some can be left out.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mrmesos

pytestmark = pytest.mark.slow
SECONDS = 100


class Stranger:
    """Another Python environment, and processes that run in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.started: list[subprocess.Popen[bytes]] = []
        self.environ = {
            **os.environ,
            "HOME": str(directory),
            "MRMESOS_TOKEN_FILE": str(directory / "token"),
        }
        self.environ.pop("PYTHONPATH", None)

    def environment(self, name: str, *, lacks: str = "", version: str = "") -> str:
        """Make an environment without packages that begin with `lacks`. Returns its Python."""
        place = self.directory / name
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
        python = place / "bin" / "python"
        packages = next((place / "lib").glob("python*/site-packages"))
        for entry in Path(sysconfig.get_path("purelib")).iterdir():
            left_out = "mrmesos" in entry.name or (lacks and entry.name.startswith(lacks))
            if not left_out:
                (packages / entry.name).symlink_to(entry)
        ours = Path(mrmesos.__file__).parent
        copy = packages / "mrmesos"
        copy.mkdir()
        for entry in ours.iterdir():
            if entry.name not in ("__init__.py", "__pycache__"):
                (copy / entry.name).symlink_to(entry)
        text = (ours / "__init__.py").read_text()
        text = text.replace(mrmesos.__version__, version or mrmesos.__version__)
        (copy / "__init__.py").write_text(text)
        return str(python)

    def start(self, python: str, *words: str, **environ: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [python, "-P", "-m", "mrmesos", *words],
            cwd=self.directory,
            env={**self.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.started.append(process)
        return process

    @contextlib.contextmanager
    def jobtracker(self, *words: str) -> Iterator[str]:
        """A JobTracker of theirs on their Mesos."""
        words = ("jobtracker", "--master", self.master, "--port", "0", *words)
        process = self.start(self.python, *words)
        assert process.stdout is not None
        try:
            yield process.stdout.readline().decode().split()[-1]
        finally:
            process.terminate()
            process.wait(SECONDS)

    def prepare(self) -> None:
        self.python = self.environment("theirs")
        announce = self.directory / "master"
        self.start(
            self.python,
            *("minimesos", "--port", "0", "--hostname", "localhost", "--announce", str(announce)),
        )
        deadline = time.monotonic() + SECONDS
        while not announce.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        self.master = announce.read_text().strip()


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stranger]:
    stranger = Stranger(tmp_path_factory.mktemp("stranger"))
    try:
        stranger.prepare()
        yield stranger
    finally:
        for process in reversed(stranger.started):
            process.terminate()
        for process in stranger.started:
            process.wait(SECONDS)


def doctor(stranger: Stranger, *words: str, **environ: str) -> list[dict[str, str]]:
    """The findings, as our own environment sees them."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "mrmesos", "doctor", "--json", *words],
        cwd=stranger.directory,
        env={**stranger.environ, **environ},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.stdout, done.stderr
    found = [each for each in json.loads(done.stdout)["findings"] if each["level"] == "wrong"]
    assert done.returncode == (1 if found else 0)
    return found


def only(found: list[dict[str, str]], check: str, remedy: str) -> dict[str, str]:
    """The only finding, which has this check and remedy."""
    [one] = found
    assert one["check"] == check, found
    assert remedy in one["remedy"], found
    return one


def test_nothing_is_wrong_at_first(stranger: Stranger) -> None:
    assert doctor(stranger, "--master", stranger.master) == []


def test_wrong_python(stranger: Stranger) -> None:
    command = "tasktracker.command=exec /opt/other/bin/python -P -m mrmesos.tasktracker"
    with stranger.jobtracker("-D", command) as url:
        said = doctor(stranger, "--jobtracker", url, "--master", stranger.master)
    assert "status 127" in only(said, "python", "tasktracker.command")["found"]


def test_clock_off_missing_driver_and_old_version(stranger: Stranger) -> None:
    """All faults are in one environment of agents, to save time. Each must have its own finding."""
    python = stranger.environment("other", lacks="s3fs", version="0.0.9")
    packages = next((stranger.directory / "other" / "lib").glob("python*/site-packages"))
    (packages / "sitecustomize.py").write_text(
        "import time\nreal = time.time\ntime.time = lambda: real() + 3600\n"
    )
    command = f"tasktracker.command=exec {python} -P -m mrmesos.tasktracker"
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    with stranger.jobtracker("-D", command) as url:
        found = doctor(stranger, "--jobtracker", url, "--uri", "s3://bucket/x", **keys)
    of_agent = {e["check"]: e for e in found if e["where"] == "agent localhost"}
    assert set(of_agent) == {"clock", "driver", "version"}, found
    assert "s ahead of the JobTracker's" in of_agent["clock"]["found"]
    assert "NTP" in of_agent["clock"]["remedy"]
    assert "pip install 'mrmesos[s3]'" in of_agent["driver"]["remedy"]
    assert "mrmesos 0.0.9 is installed there" in of_agent["version"]["found"]
    assert "install mrmesos" in of_agent["version"]["remedy"]


def test_no_token_wrong_owner_and_port_closed(stranger: Stranger, tmp_path: Path) -> None:
    missing, token = tmp_path / "nowhere", tmp_path / "token"
    with stranger.jobtracker() as url:
        none = doctor(stranger, "--jobtracker", url, MRMESOS_TOKEN_FILE=str(missing))
        shutil.copy(stranger.directory / "token", token)
        if os.geteuid() == 0:
            os.chown(token, 12345, 12345)
        else:
            token.chmod(0o644)
        foreign = doctor(stranger, "--jobtracker", url, MRMESOS_TOKEN_FILE=str(token))
    assert {each["check"] for each in none} == {"token"}
    assert all("MRMESOS_TOKEN_FILE" in each["remedy"] for each in none)
    [owner] = [each for each in foreign if each["check"] == "owner"]
    assert "chown" in owner["remedy"]
    only(doctor(stranger, "--jobtracker", url), "port", "start the JobTracker there")


def test_full_disk(stranger: Stranger, tmp_path: Path) -> None:
    """A disk of 4 MiB for temporary files, full to the last block."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        with (tmp_path / "large").open("wb") as large, contextlib.suppress(OSError):
            while True:
                large.write(bytes(1 << 16))
                large.flush()
        assert shutil.disk_usage(tmp_path).free == 0
        # Python looks for a directory that can be written; a plain run would take /var/tmp.
        only(doctor(stranger, TMPDIR=str(tmp_path)), "disk", "TMPDIR")
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


class State(http.server.BaseHTTPRequestHandler):
    """A master that lists an agent which has died a moment ago: 75 s pass until it is lost."""

    def do_GET(self) -> None:
        agent: dict[str, Any] = {"hostname": "localhost", "pid": "slave(1)@127.0.0.1:9"}
        state = {"version": "1.11.0", "slaves": [{**agent, "active": True}]}
        body = json.dumps(state).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def test_unreachable_agent(stranger: Stranger) -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), State)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        only(doctor(stranger, "--master", url, "--no-probe"), "agent", "firewall")
    finally:
        server.shutdown()
        server.server_close()


def test_bad_dns_name(stranger: Stranger) -> None:
    only(doctor(stranger, "--master", "http://no-such-host.invalid:5050"), "dns", "/etc/hosts")
