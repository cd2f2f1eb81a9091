"""Puts into words how a process ended. Comes in: the raw wait status that Mesos gives. Pure."""

from __future__ import annotations

_SIGNALS = {
    1: "SIGHUP",
    2: "SIGINT",
    3: "SIGQUIT",
    4: "SIGILL",
    6: "SIGABRT",
    7: "SIGBUS",
    8: "SIGFPE",
    9: "SIGKILL",
    11: "SIGSEGV",
    13: "SIGPIPE",
    15: "SIGTERM",
    24: "SIGXCPU",
    25: "SIGXFSZ",
}
"""Signal numbers on Linux, because Mesos agents run there."""
_SHELL = {126: "command cannot be executed", 127: "command not found"}
"""The meaning of a shell's own exit statuses."""


def exit_words(status: int | None) -> str:
    """How the process ended. Empty if Mesos does not know. Mesos reports -1 for a process that
    never started, or of which it lost track.
    """
    if status is None or not 0 <= status <= 0xFFFF:
        return ""
    if number := status & 0x7F:
        core = " (core dumped)" if status & 0x80 else ""
        return f"killed by {_signal(number)}{core}"
    code = status >> 8
    meaning = _SHELL.get(code, "")
    if not meaning and code - 128 in _SIGNALS:
        meaning = f"its command was killed by {_signal(code - 128)}"
    return f"exited with status {code}" + (f": {meaning}" if meaning else "")


def _signal(number: int) -> str:
    return _SIGNALS.get(number, f"signal {number}")
