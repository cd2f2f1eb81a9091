"""The pages' view of global resources."""

from __future__ import annotations

from mrmesos.jobtracker.core.state.queue_view import shared_views
from mrmesos.wire.cluster import SharedView
from tests.jobtracker.harness import Hands, long

CONF = {"resources.global": "db:1;licenses:1"}


def shared(hands: Hands) -> dict[str, SharedView]:
    return {view.name: view for view in shared_views(hands.core.st)}


def test_a_job_whose_reduces_wait_for_a_resource_is_blocked_by_it() -> None:
    hands = Hands(CONF)
    job = hands.job(maps=1, reduces=2, reduce_resources_global="licenses:1")
    hands.offer("a")
    assert shared(hands)["licenses"].blocked == 0  # the reduces wait for the map

    hands.end(long(job, "m0"))
    hands.offer("b", cpus=2)
    assert hands.status(job).reduces.running == 1
    assert (shared(hands)["licenses"].jobs, shared(hands)["licenses"].blocked) == (1, 1)

    hands.end(next(iter(hands.running)))
    hands.offer("b", cpus=2)
    assert hands.status(job).reduces.running == 1
    assert shared(hands)["licenses"].blocked == 0  # it holds the resource, and no reduce waits


def test_a_job_is_blocked_only_by_the_resources_that_it_waits_for() -> None:
    hands = Hands(CONF)
    first = hands.job(maps=1, map_resources_global="db:1")
    second = hands.job(maps=1, map_resources_global="db:1;licenses:1")
    hands.offer("a", cpus=2)
    assert hands.status(first).maps.running == 1
    assert hands.status(second).maps.running == 0
    views = shared(hands)
    assert (views["db"].jobs, views["db"].blocked) == (2, 1)
    assert (views["licenses"].jobs, views["licenses"].blocked) == (1, 0)
