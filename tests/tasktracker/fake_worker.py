"""A worker that speaks the protocol of messages.py. Its attempt's split says how it misbehaves.

Run as a script with `--fd N`. The URI of the split's first slice is the deed. Imports no pyarrow.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from mrmesos.wire.task import (
    AttemptError,
    AttemptProgress,
    AttemptState,
    ErrorKind,
    MapTask,
)
from mrmesos.worker.channel import decode_to_worker, encode, read_frame
from mrmesos.worker.messages import Done, MapOutputsKnown, Ready, RunTask, WorkerProgress


class FakeWorker:
    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel

    def main(self) -> None:
        self.channel.sendall(encode(Ready()))
        while (body := read_frame(self.channel)) is not None:
            message = decode_to_worker(body)
            if isinstance(message, RunTask):
                self.run(message)
        os.killpg(0, signal.SIGKILL)

    def run(self, task: RunTask) -> None:
        self.task = task
        self.work = Path(task.work_dir)
        for fd, path in ((1, task.stdout_path), (2, task.stderr_path)):
            opened = os.open(path, os.O_WRONLY | os.O_APPEND)
            os.dup2(opened, fd)
            os.close(opened)
        what = task.attempt.task
        deed = what.split.slices[0].uri if isinstance(what, MapTask) else "reduce"
        name, _, argument = deed.partition(":")
        getattr(self, "do_" + name)(argument)

    def done(self, **fields: object) -> None:
        given: dict[str, object] = {"state": AttemptState.SUCCEEDED, **fields}
        self.channel.sendall(
            encode(Done(attempt_id=self.task.attempt.attempt_id, **given))  # type: ignore[arg-type]  # fields of Done by name
        )

    def progress(self, position: str = "", *, active: bool = True, failed: str = "") -> None:
        told = AttemptProgress(
            attempt_id=self.task.attempt.attempt_id,
            progress=0.5,
            fetch_failed=[failed] if failed else [],
        )
        self.channel.sendall(
            encode(WorkerProgress(progress=told, active=active, position=position))
        )

    def do_ok(self, text: str) -> None:
        os.write(1, text.encode())
        self.done(counters={"task": {"MAP_INPUT_RECORDS": 1}})

    def do_output(self, text: str) -> None:
        (self.work / "file.out").write_bytes(b"data" + text.encode())
        (self.work / "file.out.index").write_bytes(b"index")
        (self.work / "spill0").write_bytes(b"spill")
        self.done()

    def do_fail(self, text: str) -> None:
        os.write(2, b"x" * 10_000 + b"\nthe end of stderr\n")
        error = AttemptError(kind=ErrorKind.USER_CODE, message=text)
        self.done(state=AttemptState.FAILED, error=error)

    def do_exit(self, status: str) -> None:
        self.progress("reading file:///data/x.txt near offset 1234")
        os.write(2, b"last words\n")
        os._exit(int(status))

    def do_signal(self, number: str) -> None:
        self.progress("reading file:///data/x.txt near offset 1234")
        os.kill(os.getpid(), int(number))

    def do_segfault(self, _: str) -> None:
        self.progress("reading file:///data/x.txt near offset 1234")
        ctypes.string_at(0)

    def do_hog(self, mib: str) -> None:
        hoard = []
        for _ in range(int(mib)):
            hoard.append(os.urandom(1 << 10) * 1024)
            time.sleep(0.001)
        self.hang()

    def do_hogging_children(self, mib: str) -> None:
        code = f"import time; x = b'x' * ({mib} << 20); time.sleep(600)"
        for _ in range(2):
            subprocess.Popen([sys.executable, "-c", code])
        self.hang()

    def do_sharing_children(self, mib: str) -> None:
        """Fork children that share the parent's memory, so that together they use it once."""
        hoard = b"x" * (int(mib) << 20)
        for _ in range(3):
            if os.fork() == 0:
                time.sleep(600)
        time.sleep(1.5)
        assert hoard
        self.done()

    def do_endless_output(self, _: str) -> None:
        line = b"y" * 1023 + b"\n"
        while True:
            os.write(1, line * 64)

    def do_binary(self, _: str) -> None:
        os.write(2, bytes(range(256)) * 4)
        os.write(1, b"\xff\xfe\x00")
        error = AttemptError(kind=ErrorKind.USER_CODE, message="bin")
        self.done(state=AttemptState.FAILED, error=error)

    def do_ignore_sigterm(self, _: str) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self.progress("ignoring signals")
        self.hang()

    def do_hang(self, _: str) -> None:
        self.progress("hanging")
        self.hang()

    def hang(self) -> None:
        threading.Event().wait(600)

    def do_silent(self, _: str) -> None:
        """Report progress messages, but do nothing."""
        while True:
            self.progress("doing nothing", active=False)
            time.sleep(0.1)

    def do_children(self, then: str) -> None:
        """Start a child, a grandchild, one in its own session, and a double-forked daemon."""
        pids = []
        sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
        pids.append(subprocess.Popen(sleeper).pid)
        pids.append(subprocess.Popen(sleeper, start_new_session=True).pid)
        nested = (
            "import subprocess, sys, time;"
            "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid,"
            "flush=True); time.sleep(600)"
        )
        middle = subprocess.Popen([sys.executable, "-c", nested], stdout=subprocess.PIPE)
        assert middle.stdout is not None
        pids += [middle.pid, int(middle.stdout.readline())]
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.write(writer, str(os.getpid()).encode())
                os.closerange(0, 64)
                time.sleep(600)
            os._exit(0)
        os.wait3(0)
        pids.append(int(os.read(reader, 20)))
        (self.work.parent / "pids").write_text(" ".join(map(str, pids)))
        if then == "done":
            self.done()
        elif then == "exit":
            os._exit(3)
        else:
            self.progress("with children")
            self.hang()

    def do_rubbish(self, _: str) -> None:
        self.channel.sendall(b"\0\0\0\3abc")
        self.hang()

    def do_huge_frame(self, _: str) -> None:
        self.channel.sendall(b"\xff\xff\xff\xff")
        self.hang()

    def do_close(self, _: str) -> None:
        self.channel.close()
        self.hang()

    def do_other(self, _: str) -> None:
        self.channel.sendall(
            encode(Done(attempt_id="attempt_1_0001_m_000099_0", state=AttemptState.SUCCEEDED))
        )
        self.hang()

    def do_reduce(self, _: str) -> None:
        known: dict[int, str] = {}
        while len(known) < self.task.facts.num_maps:
            body = read_frame(self.channel)
            assert body is not None
            message = decode_to_worker(body)
            assert isinstance(message, MapOutputsKnown)
            known.update((output.map_index, output.url) for output in message.outputs)
        os.write(1, " ".join(url for _, url in sorted(known.items())).encode())
        self.done()

    def do_environment(self, _: str) -> None:
        os.write(1, "\n".join(f"{k}={v}" for k, v in os.environ.items()).encode())
        self.done()


if __name__ == "__main__":
    FakeWorker(socket.socket(fileno=int(sys.argv[sys.argv.index("--fd") + 1]))).main()
