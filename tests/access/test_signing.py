"""Signed requests: valid ones are accepted, all others are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.access.signing import (
    REPLY,
    TIME,
    WINDOW_SECONDS,
    Refusal,
    Signer,
    Verifier,
    derived_key,
)

PATH = "/shuffle/job_1/0"


class Clock:
    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def verifier(clock: Clock, **more: int) -> Verifier:
    return Verifier({"job_1": "key", "job_2": "other key"}.get, clock=clock, **more)


def refused(door: Verifier, method: str, path: str, header: str) -> Refusal:
    with pytest.raises(Refusal) as caught:
        door.verify(method, path, header)
    return caught.value


def test_a_signed_request_is_let_in_once_and_its_answer_is_believed() -> None:
    clock = Clock()
    signer, door = Signer("job_1", "key", clock), verifier(clock)
    header = signer.sign("POST", PATH, b"body")
    verified = door.verify("POST", PATH, header)
    assert verified.who == "job_1"
    verified.check_body(b"body")
    with pytest.raises(Refusal):
        verified.check_body(b"another")
    assert signer.proves(header, verified.reply())
    assert not signer.proves(header, verified.reply("0" * 64))
    assert not signer.proves(signer.sign("POST", PATH, b"body"), verified.reply())
    assert not signer.proves(header, "")
    assert not Signer("job_1", "guess", clock).proves(header, verified.reply())
    assert refused(door, "POST", PATH, header).status == 401, "made before"
    assert door.verify("POST", PATH, signer.sign("POST", PATH, b"body")).who == "job_1"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", PATH), ("POST", "/shuffle/job_1/1"), ("POST", PATH + "?x"), ("POST", "/shuffle")],
)
def test_it_is_good_for_that_request_only(method: str, path: str) -> None:
    clock = Clock()
    header = Signer("job_1", "key", clock).sign("POST", PATH)
    assert refused(verifier(clock), method, path, header).status == 401


@given(st.data())
def test_a_header_of_which_anything_was_changed_is_refused(data: st.DataObject) -> None:
    clock = Clock()
    header = Signer("job_1", "key", clock).sign("POST", PATH, b"body")
    at = data.draw(st.integers(0, len(header) - 1))
    letter = data.draw(st.characters(codec="utf-8").filter(lambda one: one != header[at]))
    for changed in (header[:at] + letter + header[at + 1 :], header[:at], header + letter):
        assert refused(verifier(clock), "POST", PATH, changed).status == 401


@given(st.text())
def test_rubbish_is_refused(header: str) -> None:
    assert refused(verifier(Clock()), "POST", PATH, header).status == 401


def test_nobody_signs_as_who_has_no_key_or_for_another() -> None:
    clock = Clock()
    door = verifier(clock)
    for who, key in (("job_3", ""), ("job_3", "key"), ("job_2", "key"), ("job_1", "other key")):
        assert refused(door, "POST", PATH, Signer(who, key, clock).sign("POST", PATH)).status == 401
    assert door.remembered == 0, "strangers leave nothing behind"


@pytest.mark.parametrize("off", [WINDOW_SECONDS + 2, -WINDOW_SECONDS - 2, 1e6, -1e5])
def test_a_clock_that_is_off_is_set_by_the_peers(off: float) -> None:
    clock, theirs = Clock(), Clock(1_000_000.0 + off)
    signer, door = Signer("job_1", "key", theirs), verifier(clock)
    header = signer.sign("POST", PATH)
    answer = refused(door, "POST", PATH, header)
    assert answer.status == 401
    told = answer.headers[TIME]
    assert REPLY not in answer.headers
    stranger = f"{int(clock.now)}:{'0' * 64}"
    assert not signer.learn_time(header, stranger), "whoever listens there could set our clock"
    assert not signer.learn_time(signer.sign("POST", PATH), told), "of another request"
    assert not signer.learn_time(header, "")
    assert signer.learn_time(header, told)
    assert door.verify("POST", PATH, signer.sign("POST", PATH)).who == "job_1"


def test_a_stale_request_without_the_key_is_told_nothing() -> None:
    header = Signer("job_1", "guess", Clock(0.0)).sign("POST", PATH)
    assert refused(verifier(Clock()), "POST", PATH, header).headers == {}


def test_what_is_remembered_is_bounded_and_forgotten_once_it_is_stale() -> None:
    clock = Clock()
    signer, door = Signer("job_1", "key", clock), verifier(clock, nonces_max=10)
    early = Signer("job_1", "key", Clock(clock.now + WINDOW_SECONDS - 1)).sign("GET", PATH)
    door.verify("GET", PATH, early)
    for _ in range(9):
        door.verify("GET", PATH, signer.sign("GET", PATH))
    full = refused(door, "GET", PATH, signer.sign("GET", PATH))
    assert (full.status, full.headers) == (503, {"Retry-After": "1"})
    clock.now += 2 * WINDOW_SECONDS - 1
    assert refused(door, "GET", PATH, early).status == 401, "still known, though from the future"
    clock.now += 2
    assert door.verify("GET", PATH, signer.sign("GET", PATH))
    assert door.remembered == 1
    assert refused(door, "GET", PATH, early).status == 401, "stale by now"


def test_keys_of_peers_differ_and_do_not_show() -> None:
    keys = {derived_key("secret", f"tracker_{n}") for n in range(100)}
    assert len(keys) == 100
    assert derived_key("secret", "a") != derived_key("another", "a")
    assert "the key" not in repr(Signer("job_1", "the key"))
