"""A command in a fork: its own session, streams and environment, and nothing of its parent's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PARENT = """
import atexit, json, os, sys
from pathlib import Path
from mrmesos.forking import Forked, may_fork, our_command

place = Path(sys.argv[1])
atexit.register(print, "the parent's end")
print("said before")
other, kept = (os.open("/dev/null", os.O_RDONLY) for _ in "xy")
looks = '''
import json, os, sys
def is_open(fd):
    try:
        return bool(os.fstat(fd))
    except OSError:
        return False
def main():
    print(json.dumps({
        "argv": sys.argv, "leads": os.getsid(0) == os.getpid(), "environment": dict(os.environ),
        "stdin": os.read(0, 10).decode(), "ends": os.read(0, 1).decode(),
        "descriptors": list(filter(is_open, range(50))), "pid": os.getpid(),
        "name": open("/proc/self/comm").read().strip(),
    }))
    from mrmesos.ending import leave
    leave(3)
'''
import types
module = types.ModuleType("mrmesos.__main__")
exec(looks, module.__dict__)
sys.modules["mrmesos.__main__"] = module
assert may_fork()
with (place / "printed").open("wb") as output:
    run = our_command(["a", "b"])
    child = Forked(
        run, name="a program", output=output.fileno(), keep=[kept], environment={"A": "1"}
    )
assert child.poll() is None
child.stdin.write(b"words")
child.stdin.close()
assert child.wait() == 3 == child.poll()
child.send_signal(9)
print(json.dumps({"kept": kept, "other": other, "child": child.pid}))
"""


def test_a_forked_command(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PARENT, str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    before, said, after = ran.stdout.splitlines()
    assert (before, after) == ("said before", "the parent's end")
    parent, child = json.loads(said), json.loads((tmp_path / "printed").read_text())
    assert child["argv"] == ["mrmesos", "a", "b"]
    assert child["name"] == "a program"
    assert child["leads"]
    assert child["pid"] == parent["child"]
    assert child["environment"] == {"A": "1"}
    assert (child["stdin"], child["ends"]) == ("words", "")
    assert child["descriptors"] == [0, 1, 2, parent["kept"]]


def test_an_error_in_the_child_ends_only_the_child(tmp_path: Path) -> None:
    words = PARENT.replace("print(json.dumps({", "raise KeyError({", 1).replace("}))", "})", 1)
    words = words.replace("== 3 ==", "== 1 ==")
    ran = subprocess.run(
        [sys.executable, "-c", words, str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    assert "KeyError" in (tmp_path / "printed").read_text()


@pytest.mark.parametrize(
    "prepare",
    [
        "import threading as t; t.Thread(target=t.Event().wait, daemon=True).start()",
        "import sys, io; sys.stdout = io.StringIO()",
    ],
)
def test_no_fork_beside_threads_or_with_a_borrowed_stdout(prepare: str) -> None:
    words = f"import sys; from mrmesos.forking import may_fork\n{prepare}\n"
    words += "sys.exit(int(may_fork()))"
    ran = subprocess.run([sys.executable, "-c", words], timeout=60, check=False)
    assert ran.returncode == 0


SIGNALLED = """
import os, signal, sys
from mrmesos.forking import Forked

class Asked(BaseException):
    pass

def handle(number, frame):
    raise Asked(signal.Signals(number).name)

number = getattr(signal, sys.argv[1])
signal.signal(number, handle)
hears, wakes = os.pipe()
os.set_blocking(wakes, False)
signal.set_wakeup_fd(wakes)
# Python drops what a handler raises in such a callback.
os.register_at_fork(before=lambda: os.kill(os.getpid(), number))
try:
    Forked(lambda: os.read(0, 1), name="c", output=2, keep=(wakes,), environment={})
    print("dropped")
except Asked as problem:
    print("raised", problem)
"""

IN_CHILD = """
import os, signal, sys
from mrmesos.forking import HANDLED, Forked

hears, wakes = os.pipe()
os.set_blocking(hears, False)
os.set_blocking(wakes, False)
signal.set_wakeup_fd(wakes)
for number in HANDLED:
    signal.signal(number, lambda *_: print("the parent's handler"))
signal.signal(signal.SIGHUP, signal.SIG_IGN)

def run():
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    os.kill(os.getpid(), signal.SIGHUP)
    assert not blocked, blocked
    os.kill(os.getpid(), getattr(signal, sys.argv[1]))

child = Forked(run, name="c", output=2, keep=(wakes,), environment={})
print(child.wait())
try:
    print("written:", os.read(hears, 1))
except BlockingIOError:
    print("nothing written")
assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_during_the_fork_is_not_lost(name: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SIGNALLED, name], capture_output=True, text=True, timeout=60
    )
    assert (ran.stdout, ran.stderr) == (f"raised {name}\n", "")


@pytest.mark.parametrize(("name", "code"), [("SIGINT", -2), ("SIGTERM", -15)])
def test_signals_have_their_default_action_in_the_child(name: str, code: int) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", IN_CHILD, name], capture_output=True, text=True, timeout=60
    )
    assert (ran.stdout, ran.stderr) == (f"{code}\nnothing written\n", "")
