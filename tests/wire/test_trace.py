"""The contexts of traces."""

from __future__ import annotations

import pytest

from mrmesos.wire.trace import TraceContext, new_trace, read_context, within_trace

GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_context_has_the_form_of_w3c() -> None:
    context = read_context(GIVEN)
    assert context == TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", True)
    assert str(context) == GIVEN
    unsampled = read_context(GIVEN[:-1] + "2")
    assert unsampled is not None
    assert str(unsampled) == GIVEN[:-1] + "0"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        GIVEN + "-00",
        GIVEN.upper(),
        "00-" + "0" * 32 + GIVEN[35:],
        GIVEN.replace("b7", "²²"),
    ],
)
def test_what_has_another_form_is_none(text: str) -> None:
    assert read_context(text) is None


def test_ids_follow_from_names() -> None:
    job = TraceContext(new_trace("job_1_1"), "", True).of("job_1_1")
    assert job == TraceContext(new_trace("job_1_1"), "", True).of("job_1_1")
    assert read_context(str(job)) == job
    assert job.of("attempt_1_1_m_000000_0").trace == job.trace
    assert len({job.of(f"attempt_1_1_m_{n:06d}_0").span for n in range(1000)}) == 1000
    assert new_trace("job_1_2") != job.trace


def test_a_job_is_a_part_of_the_trace_of_its_client() -> None:
    assert within_trace({"a": "b"}, {"TRACEPARENT": GIVEN}) == {"a": "b", "job.traceparent": GIVEN}
    for conf, environ in (
        ({"a": "b"}, {}),
        ({"a": "b"}, {"TRACEPARENT": "nonsense"}),
        ({"job.traceparent": "mine"}, {"TRACEPARENT": GIVEN}),
    ):
        assert within_trace(conf, environ) == conf
