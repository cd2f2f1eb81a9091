"""Messages between a TaskTracker and a worker, as frames on a socket pair. Each worker has one.

A frame is a length (4 bytes, big-endian, of the body only) and a body: one struct of `ToWorker` or
`FromWorker` as msgpack. When its channel closes, a worker kills its own process group, so it never
outlives its tracker.
"""

from __future__ import annotations

import socket

import msgspec

from mrmesos.task.drivers import limits
from mrmesos.wire.text import unicode_only
from mrmesos.worker.messages import FromWorker, Ready, ToWorker, WorkerProgress

MAX_FRAME_BYTES = 64 << 20
"""Both sides refuse a longer frame, and then treat the channel as broken."""

_LENGTH_BYTES = 4


class FrameError(Exception):
    """The bytes on a channel are not a valid frame."""


_encoder = msgspec.msgpack.Encoder()
_to_worker: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
_from_worker: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)


def encode(message: ToWorker | FromWorker) -> bytes:
    """The frame of a message. Lone surrogates in its texts become escapes.

    Raises FrameError if the body is over MAX_FRAME_BYTES.
    """
    try:
        body = _encoder.encode(message)
    except UnicodeEncodeError:  # user code may put anything in a text, and must see its own error
        body = _encoder.encode(unicode_only(msgspec.to_builtins(message)))
    if len(body) > MAX_FRAME_BYTES:
        raise FrameError(
            f"a {type(message).__name__} of {len(body):,} bytes is over {MAX_FRAME_BYTES:,}"
        )
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


def body_length(header: bytes) -> int:
    """The length of the body that follows these 4 bytes. Raises FrameError if it is too long."""
    length = int.from_bytes(header, "big")
    if length > MAX_FRAME_BYTES:
        raise FrameError(f"a frame of {length:,} bytes is over {MAX_FRAME_BYTES:,}")
    return length


def decode_to_worker(body: bytes) -> ToWorker:
    """Decode a message from the tracker. Raises FrameError."""
    try:
        return _to_worker.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise FrameError(f"not a message to a worker: {problem}") from problem


def decode_from_worker(body: bytes) -> FromWorker:
    """Decode a message from a worker. Raises FrameError."""
    try:
        message = _from_worker.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise FrameError(f"not a message from a worker: {problem}") from problem
    _check_size(message)
    return message


def _check_size(message: FromWorker) -> None:
    """Raise FrameError if the message is larger than any that our worker code sends."""
    if isinstance(message, Ready):
        return
    told = message.progress if isinstance(message, WorkerProgress) else message
    if too_much := limits.excess(told.counters):
        raise FrameError(f"{type(message).__name__} with {too_much}")
    if len(told.fetch_failed) > limits.MAX_FETCH_FAILED:
        raise FrameError(f"{len(told.fetch_failed):,} map outputs that cannot be fetched")
    if isinstance(message, WorkerProgress):
        if len(message.progress.fetch_answered) > limits.MAX_FETCH_FAILED:
            raise FrameError("more damaged map outputs than a message may name")
        if len(message.position) > limits.MAX_POSITION_CHARS:
            raise FrameError("a position that is too long")
        if len(message.progress.status) > limits.MAX_STATUS_CHARS:
            raise FrameError("a status that is too long")


def read_frame(channel: socket.socket) -> bytes | None:
    """Read the body of the next frame from a blocking socket; None at its orderly end.

    Raises FrameError if the channel ends within a frame or the frame is too long.
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
    """Read `length` bytes, or fewer if the channel ends."""
    parts = []
    while length:
        part = channel.recv(min(length, 1 << 20))
        if not part:
            break
        parts.append(part)
        length -= len(part)
    return b"".join(parts)
