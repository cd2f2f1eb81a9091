"""Chains as users run them: a killed client resumes, a killed JobTracker goes on."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from mrmesos.client.access import open_client
from mrmesos.client.api_client import RETRY_SECONDS
from mrmesos.conf import Conf
from mrmesos.wire.chain import ChainStatus, StepState
from tests.cli.test_end_to_end import DEADLINE, House, wait_until
from tests.cli.test_killed_jobtracker import Cluster

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "examples" / "top_words" / "top_words.py"
TEXT = "the quick brown fox\njumps over the lazy dog\nthe end of the fox\n" * 50
TOP = sorted(Counter(TEXT.split()).items(), key=lambda each: (-each[1], each[0]))[:3]
EXPECTED = "".join(f"{word}\t{count}\n" for word, count in TOP)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    (tmp_path / "words.txt").write_text(TEXT)
    try:
        yield house
    finally:
        for process in house.started:
            if process.poll() is None:
                process.kill()
                process.communicate()


def submission(output: str, *more: str, script: Path = EXAMPLE) -> tuple[str, ...]:
    files = ("--input", "words.txt", "--output", output)
    return ("submit", str(script), *files, *more, "--", "--top", "3")


def held_by(gate: Path, script: Path) -> Path:
    """The example with a second step that waits while `gate` exists."""
    first_line = "        self.n = self.context.args.top\n"
    waits = f"        while os.path.exists({str(gate)!r}):\n            time.sleep(0.05)\n"
    text = EXAMPLE.read_text().replace("import heapq\n", "import heapq\nimport os\nimport time\n")
    assert text.count(first_line) == 1
    script.write_text(text.replace(first_line, first_line + waits))
    return script


def test_a_killed_client_goes_on_behind_the_finished_step(house: House) -> None:
    gate = house.directory / "gate"
    gate.touch()
    script = held_by(gate, house.directory / "top_words.py")
    first = house.start(*submission("out", script=script))
    assert first.stderr is not None
    for line in first.stderr:
        if line.startswith("  CountWords: SUCCEEDED"):
            break
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=DEADLINE)
    data = house.directory / "_out_steps"
    assert (data / "CountWords" / "_SUCCESS").exists()

    gate.unlink()
    again = house.start(*submission("out", script=script))
    _, said = again.communicate(timeout=DEADLINE)
    assert again.returncode == 2
    assert said.count("\n") == 1
    assert "--resume to go on after the last finished step" in said

    more = ("--resume", "--report", "report.json", "--preview=9")
    resumed = house.start(*submission("out", *more, script=script))
    shown, said = resumed.communicate(timeout=DEADLINE)
    assert resumed.returncode == 0, said
    assert "CountWords: KEPT from an earlier run" in said
    assert shown == EXPECTED
    assert not data.exists()
    report = json.loads((house.directory / "report.json").read_text())
    assert [step["state"] for step in report["steps"]] == ["KEPT", "SUCCEEDED"]


HOOKED = """
import os
from pathlib import Path

from mrmesos.api import *

class Words(Mapper):
    def map(self, key, line):
        for word in line.split():
            yield word, 1

class Count(Job):
    mapper, reducer = Words, Sum

class Sorted(Job):
    reducer, partitioner = Reducer, TotalOrder
    num_reducers = 3

def note(context):
    with open(Path(context.output.removeprefix("file://")).parent / "notes", "a") as file:
        file.write(f"{os.getpid()}\\n")
    if Path(context.output.removeprefix("file://")).with_name("broken").exists():
        raise OSError("the warehouse is closed")

class Daily(Chain):
    steps = [Count, Sorted]
    before = AsTask(note)
    after = InClient(note)
"""


@pytest.mark.timeout(300)  # three submissions one after another
def test_hooks_and_a_step_in_total_order(house: House) -> None:
    (house.directory / "daily.py").write_text(HOOKED)
    (house.directory / "broken").touch()
    words = ("submit", "daily.py", "--input", "words.txt", "--output", "out", "--no-counters")

    def run(*more: str) -> tuple[int, str]:
        process = house.start(*words, *more)
        said = process.communicate(timeout=DEADLINE)[1]
        return process.returncode, said

    code, said = run()
    assert code == 1
    assert 'raise OSError("the warehouse is closed")' in said
    assert "before: FAILED" in said
    assert "Count: CANCELLED" in said
    (house.directory / "broken").unlink()
    watched = house.start(*words)
    assert watched.stderr is not None
    for line in watched.stderr:
        if line.startswith("  Count: SUCCEEDED"):
            (house.directory / "broken").touch()
            break
    said = watched.communicate(timeout=DEADLINE)[1]
    assert watched.returncode == 1, said
    assert "submit again with --resume to run Daily.after again" in said
    assert (house.directory / "_out_steps" / "Count").exists()
    (house.directory / "broken").unlink()
    code, said = run("--resume")
    assert code == 0, said
    for name in ("before", "Count", "Sorted.sample", "Sorted"):
        assert f"  {name}: KEPT from an earlier run" in said
    notes = (house.directory / "notes").read_text().split()
    assert len(set(notes)) == len(notes) == 4, "two of before, and two of after"
    assert not (house.directory / "_out_steps").exists()
    parts = [p.read_text() for p in sorted((house.directory / "out").glob("part-*"))]
    assert sum(map(bool, parts)) > 1
    counted = [tuple(line.split("\t")) for line in "".join(parts).splitlines()]
    assert counted == sorted((word, str(n)) for word, n in Counter(TEXT.split()).items())


def test_a_killed_jobtracker_goes_on_with_its_chain(house: House) -> None:
    cluster = Cluster(house)
    cluster.start()
    detached = house.start(*submission("out", "--jobtracker", cluster.url, "--detach"))
    chain_id = detached.communicate(timeout=DEADLINE)[0].strip()

    def status() -> ChainStatus:
        client = open_client(cluster.url, Conf(), retry_seconds=RETRY_SECONDS)
        try:
            return client.chain_status(chain_id)
        finally:
            client.close()

    for number in (0, 1):
        wait_until(
            lambda n=number: status().steps[n].state is not StepState.WAITING,  # type: ignore[misc]
            f"step {number}",
        )
        cluster.kill()
        cluster.start()
    waiting = house.start("job", "wait", chain_id, "--jobtracker", cluster.url)
    told, _ = waiting.communicate(timeout=DEADLINE)
    assert waiting.returncode == 0, told
    assert "CountWords: SUCCEEDED" in told
    parts = sorted((house.directory / "out").glob("part-*"))
    assert "".join(part.read_text() for part in parts) == EXPECTED
    assert not (house.directory / "_out_steps").exists()
    listing = house.start("job", "list", "--jobtracker", cluster.url)
    lines = listing.communicate(timeout=DEADLINE)[0].splitlines()
    assert [line.split()[0][:5] for line in lines[1:]] == ["chain", "job_2", "job_2"]
    cluster.end()
