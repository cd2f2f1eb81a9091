"""The reaper kills what a sandbox has left behind."""

import os
import signal
import subprocess
import sys

import pytest

from mrmesos.minimesos.agent import reaper


@pytest.mark.parametrize("name", [b"plain", b"\xe2\x82\xac", b"not UTF-8 \xff"])
def test_a_sandbox_may_have_any_name(name: bytes) -> None:
    sandbox = os.fsdecode(b"/no/such/" + name)
    stays = subprocess.Popen(["sleep", "600"], env={"MESOS_SANDBOX": f"{sandbox}2"})
    goes = subprocess.Popen(["sleep", "600"], env={"MESOS_SANDBOX": sandbox})
    try:
        subprocess.run(
            [sys.executable, "-I", "-S", reaper.__file__],
            input=os.fsencode(f"+{sandbox}\n+/other\n-/other\n"),
            check=True,
            timeout=60,
        )
        assert goes.wait(60) == -signal.SIGKILL
        assert stays.poll() is None
    finally:
        for process in (stays, goes):
            process.kill()
            process.wait()
