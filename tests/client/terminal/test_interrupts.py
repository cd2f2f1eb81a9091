"""Signals in a real process: the first one interrupts, later ones only hurry."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import pytest

from mrmesos.client.terminal.interrupts import Interrupted, Interrupts


def no_end(code: int) -> None:
    """Do not end the test's process."""


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


def send_and_wait(number: signal.Signals) -> None:
    send(number)
    threading.Event().wait(20)


Handler = Callable[[int, FrameType | None], object]


@pytest.fixture
def heeded(number: signal.Signals) -> Iterator[Handler]:
    """Handle a signal, even if it is ignored because the tests run under `nohup`."""

    def nothing(number: int, frame: FrameType | None) -> None:
        """A handler that does nothing."""

    before = signal.signal(number, nothing)
    yield nothing
    signal.signal(number, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_interrupts_and_the_second_hurries(
    number: signal.Signals, heeded: Handler
) -> None:
    with Interrupts(end=no_end) as interrupts:
        with pytest.raises(Interrupted, match=number.name):
            send_and_wait(number)
        assert interrupts.signal_name == number.name
        assert not interrupts.hurry.is_set()
        send(number)
        assert interrupts.hurry.wait(20)
    assert signal.getsignal(number) is heeded


class Dropping:
    """Python drops what is raised in `__del__`."""

    def __del__(self) -> None:
        send(signal.SIGINT)


def drop_and_wait() -> None:
    Dropping()
    threading.Event().wait(20)


def test_a_signal_in_a_callback_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is sent again, and counts once."""
    heard: list[int] = []
    before = set(threading.enumerate())  # a listener of another test may still be ending
    with Interrupts(end=no_end) as interrupts:
        monkeypatch.setattr(interrupts.last_call, "signalled", heard.append)
        [listener] = [t for t in {*threading.enumerate()} - before if t.name == "signals"]
        with pytest.raises(Interrupted, match="SIGINT"):
            drop_and_wait()
        assert not interrupts.hurry.is_set()
        send(signal.SIGINT)
        assert interrupts.hurry.wait(20)
    listener.join(20)
    assert heard == [signal.SIGINT, signal.SIGINT]


def test_a_signal_that_is_sent_again_does_not_interrupt_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    again = threading.Event()

    def kill(thread: int, number: signal.Signals) -> None:
        signal_thread(thread, number)
        again.set()

    signal_thread = signal.pthread_kill
    monkeypatch.setattr(signal, "pthread_kill", kill)
    with Interrupts(end=no_end) as interrupts:
        Dropping()
        interrupts.begin_cleanup()
        assert again.wait(20)
        assert not interrupts.hurry.is_set()


def test_nothing_is_sent_again_after_the_block() -> None:
    got: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: got.append(number))
    try:
        with Interrupts(end=no_end):
            Dropping()
        for each in threading.enumerate():
            if isinstance(each, threading.Timer) and each.function is signal.pthread_kill:
                each.join(20)
        assert not got
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_exceptions_in_callbacks_go_to_the_hook_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda dropped: told.append(dropped.exc_type))

    class Failing:
        def __del__(self) -> None:
            raise LookupError

    with Interrupts(end=no_end):
        Failing()
    assert told == [LookupError]


def test_the_end_is_not_interrupted() -> None:
    with Interrupts(end=no_end) as interrupts:
        interrupts.begin_cleanup()
        send(signal.SIGINT)
        assert not interrupts.wait_for(lambda _: False, 0.05)
        assert not interrupts.hurry.is_set()
        send(signal.SIGINT)
        assert interrupts.hurry.wait(20)


def test_waiting_ends_with_the_condition_the_time_or_a_signal() -> None:
    interrupts = Interrupts()
    assert interrupts.wait_for(lambda _: True, 10)
    assert not interrupts.wait_for(lambda _: False, 0.01)
    interrupts.hurry.set()
    assert not interrupts.wait_for(lambda _: True, 10)


def test_a_signal_that_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts(end=no_end):
            send(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
