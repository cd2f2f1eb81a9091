"""Messages of a worker arrive, whatever texts user code puts into them."""

from __future__ import annotations

from mrmesos.wire.task import AttemptError, AttemptProgress, AttemptState, ErrorKind
from mrmesos.worker.channel import decode_from_worker, encode
from mrmesos.worker.messages import Done, WorkerProgress

LONE, TOLD = "caf\udce9", "caf\\udce9"


def test_lone_surrogates_anywhere_in_an_end() -> None:
    error = AttemptError(
        kind=ErrorKind.USER_CODE, message=LONE, detail=LONE, where=LONE, record=LONE
    )
    sent = Done(attempt_id="a", state=AttemptState.FAILED, counters={LONE: {LONE: 1}}, error=error)
    told = decode_from_worker(encode(sent)[4:])
    assert isinstance(told, Done)
    assert told.counters == {TOLD: {TOLD: 1}}
    assert told.error == AttemptError(
        kind=ErrorKind.USER_CODE, message=TOLD, detail=TOLD, where=TOLD, record=TOLD
    )


def test_lone_surrogates_in_progress() -> None:
    progress = AttemptProgress(attempt_id="a", progress=0.5, status=LONE)
    told = decode_from_worker(
        encode(WorkerProgress(progress=progress, active=True, position=LONE))[4:]
    )
    assert isinstance(told, WorkerProgress)
    assert (told.position, told.progress.status) == (TOLD, TOLD)
