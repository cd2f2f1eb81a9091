"""`mrmesos minimesos` as a process: it starts, stops, and leaves nothing behind."""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from mrmesos.cli.minimesos import complete_resources, machine_resources, parse_weights
from tests.minimesos.cluster import Scheduler, amounts, wait_for
from tests.minimesos.tasks import executor, processes_in, task

RUN = "from mrmesos.cli.minimesos import minimesos; minimesos()"


class Started:
    def __init__(self, tmp_path: Path, *arguments: str, stdin: int | None = None) -> None:
        self.announced = tmp_path / "url"
        self.work_dir = tmp_path / "work"
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN, "--port", "0", "--announce", str(self.announced),
             "--work-dir", str(self.work_dir), *arguments],
            stdin=stdin, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        wait_for(self.announced.exists)
        self.url = self.announced.read_text().strip()
        self.warden = psutil.Process(self.process.pid).children()[0]

    def running_task(self, **variables: str) -> Scheduler:
        scheduler = Scheduler(self.url.removeprefix("http://"), failover_timeout=60.0).start()
        (offer, *_) = scheduler.offers()
        one = task("t", offer, executor(**variables), spawn="sleep 600 & sleep 600", sleep=600)
        scheduler.accept([offer], [one])
        scheduler.update("t", "TASK_RUNNING")
        wait_for(lambda: len([p for p in self.processes() if p.name() == "sleep"]) == 2)
        return scheduler

    def processes(self) -> list[psutil.Process]:
        return processes_in(self.work_dir)

    def over(self, deadline: float = 20) -> int:
        code = self.process.wait(deadline)
        wait_for(lambda: not self.processes())
        wait_for(lambda: not self.warden.is_running())
        return code


MakeStarted = Callable[..., Started]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[MakeStarted]:
    made: list[Started] = []

    def start(*arguments: str, stdin: int | None = None) -> Started:
        made.append(Started(tmp_path, *arguments, stdin=stdin))
        return made[-1]

    yield start
    for one in made:
        one.process.kill()
        one.process.wait()
        for stream in (one.process.stderr, one.process.stdin):
            if stream is not None:
                stream.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_clean_stop_leaves_nothing(started: MakeStarted, number: signal.Signals) -> None:
    one = started()
    one.running_task()
    one.process.send_signal(number)
    assert one.over() == 0


@pytest.mark.slow  # it takes the whole grace period
def test_stop_leaves_nothing_of_executors_that_do_not_obey(started: MakeStarted) -> None:
    one = started()
    one.running_task(STUBBORN="1")
    one.process.terminate()
    assert one.over() == 0


def test_sigkill_leaves_nothing(started: MakeStarted) -> None:
    one = started()
    one.running_task(STUBBORN="1")
    one.process.kill()
    assert one.over() == -9


def test_end_of_stdin_stops_it(started: MakeStarted) -> None:
    one = started("--exit-with-stdin", stdin=subprocess.PIPE)
    one.running_task()
    assert one.process.stdin is not None
    one.process.stdin.close()
    assert one.over() == 0


def test_a_signal_before_it_serves_leaves_no_directory(tmp_path: Path) -> None:
    reads, writes = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, "--port", "0", "--credentials", f"fd:{reads}"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        pass_fds=[reads],
    )
    os.close(reads)
    capacity = fcntl.fcntl(writes, fcntl.F_GETPIPE_SZ)
    os.write(writes, b"\n" * capacity)
    os.write(writes, b"\n")  # returns when it has begun to read, and it reads until we close
    process.terminate()
    assert process.wait(60) == -signal.SIGTERM
    os.close(writes)
    assert not list(tmp_path.iterdir())


def test_temporary_work_dir_goes_even_after_sigkill(tmp_path: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        announced = tmp_path / f"url{number}"
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, "--port", "0", "--announce", str(announced)],
            env={**os.environ, "TMPDIR": str(tmp_path)},
            stderr=subprocess.DEVNULL,
        )
        wait_for(announced.exists)
        assert list(tmp_path.glob("minimesos-*"))
        process.send_signal(number)
        process.wait(20)
        wait_for(lambda: not list(tmp_path.glob("minimesos-*")))


def test_agents_resources_and_names(started: MakeStarted) -> None:
    one = started(
        "--agents", "2", "--resources", "cpus:1;mem:512", "--resources", "cpus(mr):2;mem:256",
        "--attributes", "rack:a", "--attributes", "rack:b", "--hostname", "h{n}.example",
    )  # fmt: skip
    import json

    with urllib.request.urlopen(f"{one.url}/state") as answer:
        agents = json.load(answer)["slaves"]
    assert [a["hostname"] for a in agents] == ["h0.example", "h1.example"]
    assert [a["attributes"] for a in agents] == [{"rack": "a"}, {"rack": "b"}]
    assert [a["resources"]["mem"] for a in agents] == [512, 256]
    assert agents[0]["resources"]["ports"] == "[31000-32000]"
    scheduler = Scheduler(one.url.removeprefix("http://")).start()
    offers = scheduler.offers()
    assert sorted(amounts(o["resources"]).get("cpus", 0) for o in offers) == [0, 1]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--resources", "cpus"], "not NAME:VALUE"),
        (["--resources", "cpus:x"], "'x' is not a number"),
        (["--attributes", "rack"], "'rack' is not NAME:VALUE"),
        (["--weights", "a=0"], "weight above 0"),
        (["--port", "99999"], "65535"),
        (["--agents", "0"], "--agents"),
        (["--resources", "cpus:1", "--resources", "cpus:2"], "2 times for --agents 1"),
        (["--exit-with-stdin"], "needs a pipe"),
        (["--announce", "/no/such/place"], "cannot announce"),
    ],
)
def test_usage_errors_are_one_clear_line(arguments: list[str], text: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN, "--port", "0", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=30, check=False,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 2
    assert text in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_port_in_use(started: MakeStarted, tmp_path: Path) -> None:
    one = started()
    port = one.url.rpartition(":")[2]
    done = subprocess.run(
        [sys.executable, "-c", RUN, "--port", port],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "in use" in done.stderr.splitlines()[-1]


def test_defaults_of_the_machine(tmp_path: Path) -> None:
    one, half = machine_resources(1, tmp_path), machine_resources(2, tmp_path)
    assert float(one["cpus"]) == len(os.sched_getaffinity(0))
    assert float(half["cpus"]) == float(one["cpus"]) / 2
    assert int(half["mem"]) == int(one["mem"]) // 2
    text = complete_resources("cpus(mr):1;mem:0", {"cpus": "4", "mem": "5", "disk": "6"})
    assert text == "cpus(mr):1;mem:0;disk:6"
    assert parse_weights("a=2, b=0.5,") == {"a": 2.0, "b": 0.5}
    for bad in ("a", "a=x", "=1", "a=-1", "a=inf"):
        with pytest.raises(ValueError, match="ROLE=WEIGHT"):
            parse_weights(bad)


def test_agents_have_addresses_of_their_own(started: MakeStarted) -> None:
    one = started("--agents", "2", "--agent-addresses", "127.0.0.2,127.0.0.3")
    with urllib.request.urlopen(f"{one.url}/state") as answer:
        agents = json.load(answer)["slaves"]
    assert [agent["hostname"] for agent in agents] == ["127.0.0.2", "127.0.0.3"]
    for number, agent in enumerate(agents, start=2):
        address = agent["pid"].partition("@")[2]
        assert address.startswith(f"127.0.0.{number}:")
        with urllib.request.urlopen(f"http://{address}/version") as answer:
            assert answer.status == 200
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(f"http://127.0.0.1:{address.rpartition(':')[2]}/version")


@pytest.mark.parametrize("addresses", ["127.0.0.2", "127.0.0.2,", "192.0.2.1,127.0.0.2"])
def test_addresses_that_agents_cannot_have(tmp_path: Path, addresses: str) -> None:
    command = [sys.executable, "-c", RUN, "--port", "0", "--agents", "2"]
    ended = subprocess.run(
        [*command, "--agent-addresses", addresses], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 2
    assert addresses in ended.stderr or "--agent-addresses" in ended.stderr


def test_its_first_line_says_who_may_use_it(tmp_path: Path) -> None:
    user = pwd.getpwuid(os.geteuid()).pw_name
    secret = tmp_path / "credentials"
    secret.write_text("etl a-secret")
    secret.chmod(0o600)
    for number, (arguments, who) in enumerate(
        [
            ((), "every user of this machine can run"),
            (("--host", "0.0.0.0"), "everyone who can reach these ports can run"),
            (("--credentials", str(secret)), "anyone with a secret of --credentials can run"),
        ]
    ):
        place = tmp_path / str(number)
        place.mkdir()
        started = Started(place, *arguments)
        try:
            status = 401 if "--credentials" in arguments else 200
            assert _status(f"{started.url}/state") == status
        finally:
            started.process.terminate()
            _, said = started.process.communicate(timeout=30)
        first = said.splitlines()[0]
        assert first.startswith(f"minimesos serves {started.url} with 1 agent; {who} commands as")
        assert f"commands as {user}" in first
        assert ("--credentials FILE to change that" in first) == (status == 200)
        assert "a-secret" not in said


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as problem:
        return problem.code


def test_credentials_that_cannot_be_used(tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    open_to_all, bad = tmp_path / "open", tmp_path / "bad"
    open_to_all.write_text("etl a-secret")
    bad.write_text("etl a secret")
    open_to_all.chmod(0o640)
    bad.chmod(0o600)
    for where, words in (
        (str(open_to_all), "has mode 640"),
        (str(bad), "each line needs"),
        (str(tmp_path / "none"), "No such file"),
        ("fd:77", "Bad file descriptor"),
        ("fd:x", "fd:x"),
    ):
        ended = subprocess.run(
            [sys.executable, "-c", RUN, "--port", "0", "--credentials", where],
            env={**os.environ, "TMPDIR": str(temporary)},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert ended.returncode == 2
        assert words in ended.stderr
        assert "Traceback" not in ended.stderr
        assert "secret" not in ended.stderr.replace("needs exactly one secret", "").replace(
            "principal and its secret", ""
        )
    assert not list(temporary.iterdir())
