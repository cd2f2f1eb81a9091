"""The choice of the next fetch, over random histories with a simulated clock."""

from __future__ import annotations

import random

import pytest

from mrmesos.task.shuffle.shuffle_schedule import FetchBackoff, ShuffleSchedule
from mrmesos.wire.task import MapOutput

MAPS, HOSTS, TRIES, SUSPECTS = 12, 4, 3, 2
BACKOFF = FetchBackoff(first=0.1, host=5.0, output=60.0)
WHOLE_AFTER = 300.0


def output(index: int, number: int, host: int) -> MapOutput:
    return MapOutput(map_index=index, attempt_id=f"m{index}_{number}", url=f"http://h{host}")


def schedule(rng: random.Random, maps: int = MAPS) -> ShuffleSchedule:
    return ShuffleSchedule(maps, TRIES, SUSPECTS, BACKOFF, rng.random)


@pytest.mark.parametrize("seed", range(100))
def test_all_segments_arrive_when_hosts_work_again(seed: int) -> None:
    rng = random.Random(seed)
    plan = schedule(rng)
    away = {f"http://h{host}" for host in range(HOSTS) if rng.random() < 0.5}
    damaged = {f"m{index}_0" for index in range(MAPS) if rng.random() < 0.2}
    numbers = dict.fromkeys(range(MAPS), 0)
    plan.announce(output(index, 0, index % HOSTS) for index in range(MAPS))
    under_way: dict[str, tuple[float, list[MapOutput]]] = {}
    suspects: set[str] = set()
    now = 0.0
    while not plan.complete:
        while (job := plan.take(now)) is not None:
            url, outputs = job
            assert url not in under_way, "two requests to one host"
            assert outputs
            under_way[url] = now + rng.uniform(0.1, 3.0), outputs
            assert len(suspects & under_way.keys()) <= SUSPECTS
        ends = [end for end, _ in under_way.values()]
        wait = plan.wait_seconds(now)
        if wait is not None:
            assert wait > 0, "it is due and was not taken"
            assert wait <= max(BACKOFF.host, BACKOFF.output)
            ends.append(now + wait)
        assert ends, "nothing is under way and nothing will be"
        now = min(ends)
        assert now < WHOLE_AFTER + 300.0
        for url, (end, outputs) in list(under_way.items()):
            if end > now:
                continue
            del under_way[url]
            if url in away and (now < WHOLE_AFTER or rng.random() < 0.1):
                suspects.add(url)
                if plan.host_failed(url, now, at_once=rng.random() < 0.2) >= TRIES:
                    failing = set(plan.failing())
                    assert {each.attempt_id for each in plan.still_wanted(outputs)} <= failing
            else:
                for each in outputs:
                    if each.attempt_id in damaged and now < WHOLE_AFTER:
                        plan.output_failed(each, now, answered=True)
                    else:
                        assert plan.came(each) == (numbers[each.map_index] in _number(each))
                        assert each.attempt_id not in plan.failing()
                        suspects.discard(url)
            plan.release(url)
        if rng.random() < 0.05:  # another attempt of a map on another host, or none for now
            index = rng.randrange(MAPS)
            numbers[index] += 1
            if rng.random() < 0.5:
                plan.announce([MapOutput(map_index=index, attempt_id="", url="")])
            plan.announce([output(index, numbers[index], rng.randrange(HOSTS))])
    assert plan.failing() == ()


def _number(each: MapOutput) -> set[int]:
    return {int(each.attempt_id.partition("_")[2])}


def test_pauses_grow_to_their_limit_and_differ() -> None:
    rng = random.Random(1)
    plan = schedule(rng)
    plan.announce([output(0, 0, 0)])
    pauses = []
    for _ in range(2000):
        plan.host_failed("http://h0", 0.0)
        pauses.append(plan.wait_seconds(0.0) or 0.0)
    assert pauses[0] <= BACKOFF.first
    late = pauses[20:]
    assert max(late) <= BACKOFF.host
    assert min(late) >= BACKOFF.host / 2
    assert len(set(late)) > 100


def test_a_repeated_announcement_is_tried_at_once() -> None:
    plan = schedule(random.Random(1))
    one = output(0, 0, 0)
    plan.announce([one])
    plan.output_failed(one, 0.0, answered=True, at_once=True)
    assert plan.take(0.0) is None
    assert plan.failing() == (one.attempt_id,)
    plan.announce([one])
    assert plan.take(0.0) == (one.url, [one])


def test_an_answer_that_brought_something_is_no_reason_to_report_its_host_at_once() -> None:
    plan = schedule(random.Random(1))
    one, two = output(0, 0, 0), output(1, 0, 0)
    plan.announce([one, two])
    assert plan.take(0.0) == (one.url, [one, two])
    assert plan.came(one)
    assert plan.host_failed(one.url, 0.0, at_once=True) == 1
    assert plan.failing() == ()


def test_maps_out_of_range_and_those_that_are_here_are_not_asked_for() -> None:
    plan = schedule(random.Random(1), maps=1)
    one = output(0, 0, 0)
    plan.announce([output(7, 0, 0), one])
    assert plan.take(0.0) == (one.url, [one])
    assert plan.came(one)
    plan.release(one.url)
    plan.announce([one])
    assert plan.complete
    assert plan.take(0.0) is None


def test_only_what_a_host_answers_is_told_apart() -> None:
    plan = schedule(random.Random(1))
    one, two, three = output(0, 0, 0), output(1, 0, 0), output(2, 0, 1)
    plan.announce([one, two, three])
    for _ in range(TRIES):
        plan.output_failed(one, 0.0, answered=True)
        plan.output_failed(two, 0.0, answered=False)  # the answer broke off at this output
        plan.output_failed(three, 0.0, answered=True)
    plan.host_failed(three.url, 0.0, at_once=True)
    assert plan.failing() == (one.attempt_id, two.attempt_id, three.attempt_id)
    assert plan.answered() == (one.attempt_id,), "the last host is away by now"
    assert plan.came(one)
    assert plan.answered() == ()
