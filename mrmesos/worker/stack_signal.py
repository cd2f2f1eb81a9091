"""The signal at which a worker writes the stacks of its threads. Standard library only."""

from __future__ import annotations

import faulthandler
import os
import signal

STACK_SIGNAL = signal.SIGURG
"""Ignored by default, and used by nothing else here. (Out-of-band data needs F_SETOWN.)"""
BEGIN = ("Thread 0x", "Current thread 0x")
"""The beginning of faulthandler's text."""


def answer_with_stacks() -> None:
    """From now on, the signal writes all stacks to the present standard error.

    Attempts redirect standard error later, and their logs must not get the stacks.
    """
    faulthandler.register(STACK_SIGNAL, file=os.dup(2), all_threads=True)
