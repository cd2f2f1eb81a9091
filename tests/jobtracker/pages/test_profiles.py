"""The profile of an attempt on its page: while the job runs, after its end, from the history."""

from __future__ import annotations

from pathlib import Path

import pytest

from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.history.record import record_of
from mrmesos.jobtracker.pages import gate
from mrmesos.wire.profile import Node, Profile, packed
from tests.jobtracker.history.runs import runs
from tests.jobtracker.pages.test_pages import EVIL, Tags, visit
from tests.jobtracker.pages.world import Browser, World

PROFILE = packed(
    Profile(
        kind="cpu",
        total=9_000_000,
        frames=["map (words.py)", EVIL],
        nodes=[Node(0, 0, 9_000_000), Node(1, 1, 6_000_000)],
    )
)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(gate, "FAILED_SECONDS", 0.0)
    return World(tmp_path, agents=3)


def test_a_profile_is_drawn_and_outlives_the_job(world: World) -> None:
    job_id = world.submit("visits", "grace", 2)
    world.run(1)
    first, second = world.running_of(job_id)
    world.hands.end(first, profile=PROFILE)

    async def walk(browser: Browser) -> None:
        for query in ("", "?frame=1"):
            page = await browser.page(f"/ui/attempts/{first}{query}")
            found = Tags(page)
            assert found.names.isdisjoint({"img", "iframe", "object", "style"})
            assert not [a for a in found.attributes if a.startswith("on") or a == "style"]
            assert found.code == ""
        page = await browser.page(f"/ui/attempts/{first}")
        assert "CPU time: 9.0 s" in page
        assert 'class="f-yours" x="0.0" y="0" width="1200"' in page
        assert 'href="?frame=1"' in page
        assert "profile" not in await browser.page(f"/ui/attempts/{second}")

    visit(world, walk)
    world.hands.end(second, profile="damaged")
    world.finish(job_id)
    world.hands.core.st.profiles._texts.clear()  # as after a restart of the JobTracker
    world.source._snapshots.clear()

    async def after(browser: Browser) -> None:
        assert "CPU time: 9.0 s" in await browser.page(f"/ui/attempts/{first}")
        assert "cannot be read" in await browser.page(f"/ui/attempts/{second}")

    visit(world, after)


def test_the_history_has_the_profiles_of_some_attempts(world: World) -> None:
    job_id = world.submit("visits", "grace", 200)
    while world.running_of(job_id) or not world.hands.core.st.ended.get(job_id):
        for attempt_id in world.running_of(job_id):
            commands = world.hands.end(attempt_id, profile=PROFILE)
            assert not runs(commands)
        world.run(1, lambda _name: 99.0)
        if all(t.winner for t in world.hands.core.st.jobs[job_id].maps.tasks):
            (run,) = runs(world.hands.do(ev.JobCommitted(job_id)))
            assert len(record_of(run).profiles) == 100
            return
