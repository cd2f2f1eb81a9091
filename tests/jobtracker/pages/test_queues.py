"""The pages of queues of free tasks, over real HTTP and with the real core."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.pages import gate
from mrmesos.wire.chain import ChainState
from mrmesos.wire.queue import QueueRequest, QueueState
from tests.jobtracker.pages.test_pages import EVIL, Tags, visit
from tests.jobtracker.pages.world import CULPRIT, Browser, World, free_task


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(gate, "FAILED_SECONDS", 0.0)
    return World(tmp_path, agents=3)


def release(world: World) -> str:
    """Four tasks that need the database of three connections, and two that wait for them."""
    moves = [free_task(n, f"migrate t{n}", db_connections=1) for n in range(4)]
    after = [free_task(4, "check", 0, 1), free_task(5, "switch", 2, 3, 4)]
    return world.queue("release", "ada", [*moves, *after])


def test_a_queue_is_found_from_the_page_of_the_cluster(world: World) -> None:
    async def before(browser: Browser) -> None:
        assert "No queue yet" in await browser.page("/ui/queues")
        assert "queues of free tasks" not in await browser.page("/ui/")

    visit(world, before)
    queue_id = release(world)
    world.source._snapshots.clear()

    async def walk(browser: Browser) -> None:
        cluster = await browser.page("/ui/")
        assert 'queues of free tasks</dt><dd><a href="/ui/queues">1</a>' in cluster
        listed = await browser.page("/ui/queues")
        assert f"/ui/queues/{queue_id}" in listed
        assert ">release<" in listed
        assert (await browser.ask("/ui/queues/queue_9_9"))[0] == 404

    visit(world, walk)


def test_a_queue_says_what_runs_what_waits_and_for_what(world: World) -> None:
    queue_id = release(world)
    world.run(1)

    async def walk(browser: Browser) -> None:
        page = await browser.page(f"/ui/queues/{queue_id}")
        assert "<dt>running</dt><dd>3</dd>" in page
        assert "<dt>wait for an agent</dt><dd>1</dd>" in page
        assert "<dt>wait for other tasks</dt><dd>2</dd>" in page
        for attempt_id in world.hands.running:
            assert f"/ui/attempts/{attempt_id}" in page
        assert "<bdi>migrate t0, migrate t1</bdi>" in page
        assert "global-resource" in page  # the reason of the fourth
        assert "db_connections 1" in page  # what a task takes
        assert 'aria-label="db_connections held"' in page
        assert page.count("g-box") == 6
        assert (page.count("c22 0 "), page.count("c132 0 ")) == (3, 2)  # over one column, over two
        cluster = await browser.page("/ui/")
        row = cluster[cluster.index("db_connections held") :]
        assert '<td class="r">3</td><td class="r dim">3</td><td class="r">1</td>' in row
        job_id = next(iter(world.hands.core.st.jobs))
        assert f"/ui/queues/{queue_id}" in await browser.page(f"/ui/jobs/{job_id}")

    visit(world, walk)


def test_errors_of_a_queue_are_grouped(world: World) -> None:
    queue_id = release(world)
    world.run(1)
    for number, attempt_id in enumerate(list(world.hands.running)[:2]):
        world.fail(attempt_id, replace(CULPRIT, message=f"TimeoutError: no answer in {number} s"))
    world.run(1)

    async def walk(browser: Browser) -> None:
        page = await browser.page(f"/ui/queues/{queue_id}")
        assert page.count('<details class="error"') == 1
        assert "TimeoutError: no answer in 0 s" in page
        assert "2 attempts on" in page
        assert "<dt>failed or cancelled</dt><dd>4</dd>" in page  # with the two that waited for them
        assert "<dt>results that the client has not taken</dt><dd>4 (" in page

    visit(world, walk)


def test_an_ended_queue_has_its_page(world: World) -> None:
    queue_id = world.queue("short", "ada", [free_task(0, "one")])
    world.run(3, lambda _name: 1.0)
    world.hands.do(ev.QueueRequested(queue_id, QueueRequest(close=True)))
    world.hands.do(ev.EndsTaken(queue_id, 1))
    assert queue_id in world.hands.core.st.queues.ended

    async def walk(browser: Browser) -> None:
        assert ">ended</span>" in await browser.page("/ui/queues")
        page = await browser.page(f"/ui/queues/{queue_id}")
        assert "<dt>succeeded</dt><dd>1</dd>" in page
        assert "data-follow" not in page

    visit(world, walk)


def test_a_page_of_a_huge_queue_is_bounded(world: World) -> None:
    queue_id = world.queue("huge", "ada", [free_task(n, f"task {n}") for n in range(900)])
    world.run(1)

    async def walk(browser: Browser) -> None:
        page = await browser.page(f"/ui/queues/{queue_id}")
        assert 200 < page.count('<td class="name">') < 260
        assert "of which" in page
        assert "g-box" not in page

    visit(world, walk)


def test_what_users_write_into_a_queue_stays_text(world: World) -> None:
    tasks = [free_task(0, EVIL), free_task(1, EVIL + "2", 0), free_task(2, EVIL + "3")]
    queue_id = world.queue(EVIL, EVIL, tasks)
    world.run(1)
    for attempt_id in list(world.hands.running)[:1]:
        world.fail(attempt_id, replace(CULPRIT, message=EVIL, detail=EVIL))

    async def walk(browser: Browser) -> None:
        for path in ("/ui/queues", f"/ui/queues/{queue_id}"):
            text = await browser.page(path)
            found = Tags(text)
            assert found.names.isdisjoint({"img", "iframe", "object", "style"}), path
            assert not [a for a in found.attributes if a.startswith("on") or a == "style"], path
            assert found.code == "", path
            assert "&lt;script&gt;" in text

    visit(world, walk)


def test_a_queue_and_a_chain_are_killed_only_by_their_own_pages(world: World) -> None:
    queue_id = release(world)
    chain_id = world.chain("report", "ada", {"clean": (), "count": ("clean",)})
    st = world.hands.core.st

    async def walk(browser: Browser) -> None:
        for kind, name in (("queues", queue_id), ("chains", chain_id)):
            path = f"/ui/{kind}/{name}"
            assert f'action="{path}/kill"' in await browser.page(path)
            forged = {"Origin": "http://evil.example"}
            assert (await browser.ask(f"{path}/kill", {}, forged))[0] == 403
            assert (await browser.ask(f"/ui/jobs/{name}/kill", {}))[0] == 404
            assert name in st.queues.live or name in st.chains.live
            status, _, headers = await browser.ask(f"{path}/kill", {})
            assert (status, headers["Location"]) == (303, path)
        assert st.queues.ended[queue_id].state is QueueState.KILLED
        assert st.chains.live[chain_id].state is ChainState.STOPPING

    visit(world, walk)
