"""What a TaskTracker and its worker processes say to each other, over one socket pair a worker.

A frame is its length (4 bytes, big-endian, the length of the body only) and a body: one struct of
`ToWorker` or `FromWorker` as msgpack. One conversation goes

    worker  -> Ready                    once, when its imports are done
    tracker -> RunTask                  the worker sends Progress from time to time, then one Done
    tracker -> MapOutputsKnown …        while a reduce runs; ignored when it names another attempt
    tracker -> RunTask                  the next attempt of the same job, and so on

There is no message for killing: the tracker kills the worker's whole process group. A worker whose
channel closes kills its own process group, so that it never outlives its tracker.
"""

from __future__ import annotations

import socket
from typing import Annotated

import msgspec

from mrmesos.api.context import Counters
from mrmesos.bounds import LIST_MAX, Count, Name, Text
from mrmesos.task.drivers import limits
from mrmesos.task.drivers.record_spans import Redo, Span
from mrmesos.wire.job import JobFacts
from mrmesos.wire.task import (
    Attempt,
    AttemptError,
    AttemptProgress,
    AttemptState,
    FailedFetches,
    MapOutput,
)
from mrmesos.wire.text import unicode_only

MAX_FRAME_BYTES = 64 << 20
"""A longer frame is refused on both sides: the channel is then taken for broken."""

MAP_OUTPUTS_PER_FRAME = 20_000
"""The tracker cuts longer lists of map outputs into several frames."""

_LENGTH_BYTES = 4


class FrameError(Exception):
    """The bytes on a channel are no frame of ours."""


class RunTask(msgspec.Struct, frozen=True, kw_only=True, tag="run"):
    """Run this attempt, in the directory `work_dir`, which exists and is the attempt's own.

    `code_path` holds the cloudpickled job, checked against `facts.spec.code`. While the attempt
    runs, file descriptors 1 and 2 go to `stdout_path` and `stderr_path` (both exist; open them
    with O_APPEND, for the tracker truncates them at their limit). `memory_limit_mb` (MiB) is what
    the tracker kills at; `hostname` and `agent_id` say where this is; `log_url` is where the
    attempt's output can be read while the tracker lives. `redo` is there where the attempt was
    started before, and its worker ended or gave up: what that left in `work_dir` is to be removed.
    """

    attempt: Attempt
    facts: JobFacts
    code_path: Text
    work_dir: Text
    stdout_path: Text
    stderr_path: Text
    memory_limit_mb: Count
    hostname: Name
    agent_id: Name
    log_url: Text
    redo: Redo | None = None


class MapOutputsKnown(msgspec.Struct, frozen=True, tag="map_outputs"):
    """News for a running reduce, in order. What is known when it starts comes right after RunTask.

    A later entry for the same map replaces the earlier; `attempt_id` "" withdraws it.
    """

    attempt_id: Name
    outputs: Annotated[list[MapOutput], msgspec.Meta(max_length=LIST_MAX)]


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The worker has imported what it needs and waits for RunTask."""


class WorkerProgress(msgspec.Struct, frozen=True, kw_only=True, tag="progress"):
    """How far the running attempt is; sent about every 0.5 s, and when `position` changes much.

    `active` says whether it has read, written or reported anything since the last one: an attempt
    that is not active for `task.timeout` is killed. `position` is where it is, in words that fit
    after "while", such as "reading file:///data/x.txt near offset 1048576"; a crash is reported
    with the last one.
    """

    progress: AttemptProgress
    active: bool
    position: Text = ""


class Done(msgspec.Struct, frozen=True, kw_only=True, tag="done"):
    """The attempt has ended: SUCCEEDED, or FAILED with an error. Its files are closed.

    The fields are those of `AttemptReport`; the tracker adds slot, times and the tail of the logs.
    `at`: the records that user code failed at, where the attempt could do without them.
    """

    attempt_id: Name
    state: AttemptState
    counters: Counters = {}
    error: AttemptError | None = None
    fetch_failed: FailedFetches = []
    at: Span | None = None


ToWorker = RunTask | MapOutputsKnown
FromWorker = Ready | WorkerProgress | Done

_encoder = msgspec.msgpack.Encoder()
_to_worker: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
_from_worker: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)


def encode(message: ToWorker | FromWorker) -> bytes:
    """The whole frame of a message, lone surrogates in its texts as escapes.

    Raises FrameError where it is over MAX_FRAME_BYTES.
    """
    try:
        body = _encoder.encode(message)
    except UnicodeEncodeError:  # user code's texts are the user's: an error must come through
        body = _encoder.encode(unicode_only(msgspec.to_builtins(message)))
    if len(body) > MAX_FRAME_BYTES:
        raise FrameError(
            f"a {type(message).__name__} of {len(body):,} bytes is over {MAX_FRAME_BYTES:,}"
        )
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


def body_length(header: bytes) -> int:
    """The length of the body that follows these 4 bytes. Raises FrameError where it is too long."""
    length = int.from_bytes(header, "big")
    if length > MAX_FRAME_BYTES:
        raise FrameError(f"a frame of {length:,} bytes is over {MAX_FRAME_BYTES:,}")
    return length


def decode_to_worker(body: bytes) -> ToWorker:
    """What the tracker said. Raises FrameError."""
    try:
        return _to_worker.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise FrameError(f"not a message to a worker: {problem}") from problem


def decode_from_worker(body: bytes) -> FromWorker:
    """What a worker said. Raises FrameError."""
    try:
        message = _from_worker.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise FrameError(f"not a message from a worker: {problem}") from problem
    _check_size(message)
    return message


def _check_size(message: FromWorker) -> None:
    """Raise FrameError for more than a worker of ours would say."""
    if isinstance(message, Ready):
        return
    told = message.progress if isinstance(message, WorkerProgress) else message
    if too_much := limits.excess(told.counters):
        raise FrameError(f"{type(message).__name__} with {too_much}")
    if len(told.fetch_failed) > limits.MAX_FETCH_FAILED:
        raise FrameError(f"{len(told.fetch_failed):,} map outputs that cannot be had")
    if isinstance(message, WorkerProgress):
        if len(message.position) > limits.MAX_POSITION_CHARS:
            raise FrameError("a position that is no position")
        if len(message.progress.status) > limits.MAX_STATUS_CHARS:
            raise FrameError("a status that is no status")


def read_frame(channel: socket.socket) -> bytes | None:
    """The body of the next frame of a blocking socket; None at its orderly end.

    Raises FrameError where the channel ends within a frame or the frame is too long.
    """
    header = _read_exactly(channel, _LENGTH_BYTES)
    if not header:
        return None
    if len(header) == _LENGTH_BYTES:
        length = body_length(header)
        body = _read_exactly(channel, length)
        if len(body) == length:
            return body
    raise FrameError("the channel ended within a frame")


def _read_exactly(channel: socket.socket, length: int) -> bytes:
    """`length` bytes, or fewer where the channel ended."""
    parts = []
    while length:
        part = channel.recv(min(length, 1 << 20))
        if not part:
            break
        parts.append(part)
        length -= len(part)
    return b"".join(parts)
