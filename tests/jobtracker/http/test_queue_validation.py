"""Queues and free tasks that the JobTracker does not take."""

from __future__ import annotations

import pytest

from mrmesos.jobtracker.http.errors import BadRequest
from mrmesos.jobtracker.http.queue_validation import check_queue, check_tasks
from mrmesos.wire.queue import QueueRequest, QueueSpec, TaskSpec
from mrmesos.wire.task import Stored

QUEUE = {"name": "q", "user": "u", "conf": {}, "code": "0" * 64}
TASK = {"key": 5, "name": "t", "need": {"cpus": 1000}, "payload": b"x"}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"name": "a\nb"}, "the queue's name .* has control characters"),
        ({"conf": {"map.cpus": "many"}}, "map.cpus"),
        ({"store": "scratch"}, "'scratch' is not a URI"),
        ({"python": "2.7"}, "pickled by Python 2.7"),
    ],
)
def test_queues_that_are_refused(more: dict[str, object], words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        check_queue(QueueSpec(**(QUEUE | more)), "3.12")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"after": (5,)}, "'t' waits for task 5, which comes after it"),
        ({"behind": (7,)}, "waits for task 7"),
        ({"payload": b""}, "exactly one pickle"),
        ({"stored": Stored("file:///x", "0" * 64, 1)}, "exactly one pickle"),
        ({"need": {"a:b": 1}}, "needs 'a:b', which is no resource"),
        ({"need": {"cpus": 10**16}}, "needs 'cpus'"),
        ({"priority": "HIGHEST"}, "priority 'HIGHEST', not one of VERY_HIGH"),
        ({"constraints": "rack ~ 2"}, "is no constraint"),
    ],
)
def test_tasks_that_are_refused(more: dict[str, object], words: str) -> None:
    task = TaskSpec(**(TASK | more))  # type: ignore[arg-type]
    with pytest.raises(BadRequest, match=words):
        check_tasks(QueueRequest(tasks=(task,)))


def test_numbers_of_tasks_only_grow() -> None:
    task = TaskSpec(**TASK)  # type: ignore[arg-type]
    check_tasks(QueueRequest(tasks=(task,)))
    with pytest.raises(BadRequest, match="has the number 5, which is not over 5"):
        check_tasks(QueueRequest(tasks=(task, task)))
