"""The pages over real HTTP, with the real core: what they show, and who gets in."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path

import pytest
from msgspec.structs import replace

from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.state import queries
from mrmesos.jobtracker.pages import events, gate
from mrmesos.jobtracker.pages.app import login_path
from mrmesos.jobtracker.pages.gate import Gate
from mrmesos.jobtracker.pages.page import Content
from mrmesos.wire.ids import AgentId, parse_attempt
from mrmesos.wire.job import JobState
from mrmesos.wire.queue import QueueRequest, QueueSpec, TaskSpec
from mrmesos.wire.task import AttemptProgress
from tests.jobtracker.pages.world import CULPRIT, TAIL, TOKEN, Browser, World, browsing

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}"
PARTS = ("", "/attempts", "/settings")
PAGES = ("/ui/", "/ui/jobs", "/ui/events?of=/ui/jobs", "/ui/nothing")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(gate, "FAILED_SECONDS", 0.0)
    return World(tmp_path, agents=3)


def visit(world: World, walk: Callable[[Browser], Awaitable[None]], *, known: bool = True) -> None:
    """Walk through the pages with a browser, which has logged in if it is `known`."""

    async def go() -> None:
        async with browsing(world) as browser:
            if known:
                await browser.log_in()
            await walk(browser)

    asyncio.run(go())


def failing(world: World) -> tuple[str, str]:
    """A job that failed, and the attempt that did."""
    job_id = world.submit("visits", "grace", 2, map_maxattempts="1")
    world.run(1)
    attempt_id = world.running_of(job_id)[0]
    world.fail(attempt_id)
    world.run(3, lambda _name: 1.0)
    for other in world.running_of(job_id):
        world.end(other)
    world.finish(job_id, failed=True)
    assert queries.job_status(world.hands.core.st, job_id).state is JobState.FAILED  # type: ignore[union-attr]
    return job_id, attempt_id


class Tags(HTMLParser):
    """What a browser makes of a page: its tags, their attributes, and code between script tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.code = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            self.code += data


# --- What is shown -------------------------------------------------------------------------------


def test_empty_pages_say_what_to_do(world: World) -> None:
    async def walk(browser: Browser) -> None:
        assert "No agent has made an offer yet" in await browser.page("/ui/")
        assert "mrmesos submit" in await browser.page("/ui/jobs")
        assert "No job is like this" in await browser.page("/ui/jobs?q=zzz")

    visit(world, walk)


def test_the_cluster_shows_agents_pools_and_offers(world: World) -> None:
    world.submit("visits", "grace", 30, job_pool="etl")
    world.run(2)
    world.hands.core.st.cluster.agents[AgentId("node-03.example")].avoid_until = (
        world.hands.now + 600
    )

    async def walk(browser: Browser) -> None:
        text = await browser.page("/ui/")
        for expected in (
            "node-01.example",
            "rack-1",
            "of 12",
            "etl",
            "taken",
            "avoided",
            "10 min",
        ):
            assert expected in text, expected

    visit(world, walk)


def test_a_failed_job_shows_its_error_before_all_else(world: World) -> None:
    job_id, attempt_id = failing(world)

    async def walk(browser: Browser) -> None:
        text = await browser.page(f"/ui/jobs/{job_id}")
        assert text.index("ValueError: invalid literal") < text.index("timeline")
        assert "visits.py&#34;, line 14" in text
        assert f"/ui/attempts/{attempt_id}" in text
        assert "kill this job" not in text
        attempt = await browser.page(f"/ui/attempts/{attempt_id}")
        assert "offset 73,401,277" in attempt
        assert TAIL.splitlines()[1] in attempt

    visit(world, walk)


def test_a_job_says_why_it_waits_and_why_it_was_slow(world: World) -> None:
    slow = world.submit("slow", "ada", 12)
    world.run(150, lambda name: 70.0 if "_m_000003_" in name else 10.0)
    world.finish(slow)
    waiting = world.submit("large", "ada", 2, map_memory_mb="999999")
    world.run(1)

    async def walk(browser: Browser) -> None:
        page = await browser.page(f"/ui/jobs/{waiting}")
        assert "why tasks wait" in page
        assert "the largest offer seen had" in page
        page = await browser.page(f"/ui/jobs/{slow}")
        assert "why it was slow" in page
        assert "1 of 12 map attempts took more than 2 times the median" in page

    visit(world, walk)


def test_a_chain_is_shown_as_a_graph(world: World) -> None:
    chain = world.chain("report", "ada", {"clean": (), "count": ("clean",), "join": ("count",)})
    world.run(2)

    async def walk(browser: Browser) -> None:
        assert f"/ui/chains/{chain}" in await browser.page("/ui/jobs")
        page = await browser.page(f"/ui/chains/{chain}")
        job_id = next(iter(world.hands.core.st.jobs))
        assert page.count("g-box") == 3
        assert page.count("c22 0 22 0 44 0") == 2  # from box to box
        assert f"/ui/jobs/{job_id}" in page
        assert (await browser.ask("/ui/chains/chain_9_9"))[0] == 404

    visit(world, walk)


def test_the_cluster_shows_resources_over_time(world: World) -> None:
    world.submit("visits", "grace", 30)

    async def walk(browser: Browser) -> None:
        assert "used by attempts" not in await browser.page("/ui/")
        world.run(40)
        world.source._snapshots.clear()
        page = await browser.page("/ui/")
        assert page.count('class="t-used"') == 2
        assert re.search(r"now 12 offered, [\d.]+ held, [\d.]+ used", page)

    visit(world, walk)


def test_a_tasktracker_has_its_page_and_an_attempt_its_stack(world: World) -> None:
    world.submit("visits", "grace", 9)
    world.run(1)
    attempt_id, tracker_id = next(iter(world.hands.tracker_of.items()))

    async def walk(browser: Browser) -> None:
        page = await browser.page(f"/ui/trackers/{tracker_id}")
        assert "does not answer now" in page  # a played one has no server
        assert attempt_id in page
        assert "does not answer" in await browser.page(f"/ui/attempts/{attempt_id}/stack")
        assert (await browser.ask("/ui/trackers/tracker_9_9"))[0] == 404

    visit(world, walk)


def test_jobs_and_attempts_are_filtered_sorted_and_paged(world: World) -> None:
    job_id = world.submit("visits", "grace", 230)
    world.submit("other", "ada", 1)
    world.run(60, lambda _name: 2.0)

    async def walk(browser: Browser) -> None:
        listed = await browser.page("/ui/jobs?q=GRACE")
        assert ">visits<" in listed
        assert ">other<" not in listed
        first = await browser.page(f"/ui/jobs/{job_id}/attempts")
        assert "page 1 of" in first
        assert first.count("/ui/attempts/") == 100
        some = await browser.page(f"/ui/jobs/{job_id}/attempts?q=m_000007&sort=duration&page=99")
        assert set(re.findall(r"_(m_\d{6})_", some)) == {"m_000007"}
        settings = await browser.page(f"/ui/jobs/{job_id}/settings")
        assert "map.maxattempts" in settings

    visit(world, walk)


def test_a_job_is_found_after_the_jobtracker_forgot_it(world: World) -> None:
    job_id, attempt_id = failing(world)
    world.hands.core.st.ended._reports.clear()

    async def walk(browser: Browser) -> None:
        assert "visits" in await browser.page("/ui/jobs")
        assert "ended the job" in await browser.page(f"/ui/jobs/{job_id}")
        assert TAIL.splitlines()[1] in await browser.page(f"/ui/attempts/{attempt_id}")

    visit(world, walk)


def test_free_tasks_have_pages(world: World) -> None:
    hands = world.hands
    queue = hands.core.next_queue_id()
    hands.do(ev.QueueSubmitted(queue, QueueSpec(name="q", user="u", conf={}, code="0" * 64), "t"))
    task = TaskSpec(key=1, name="t", need={"cpus": 1000, "mem": 1_024_000}, payload=b"x")
    hands.do(ev.QueueRequested(queue, QueueRequest(tasks=(task,))))
    hands.offer("free")
    [attempt_id] = [each for each in hands.running if "_t_" in each]
    job_id = parse_attempt(attempt_id).job_id

    async def walk(browser: Browser) -> None:
        assert attempt_id in await browser.page(f"/ui/jobs/{job_id}/attempts")
        assert attempt_id in await browser.page(f"/ui/attempts/{attempt_id}")

    visit(world, walk)


@pytest.mark.parametrize(
    "path",
    ["/ui/jobs/job_1_1", "/ui/jobs/..%2f..%2fetc", "/ui/attempts/attempt_1_1_m_1_1", "/ui/x"],
)
def test_what_does_not_exist_is_a_page_with_404(world: World, path: str) -> None:
    async def walk(browser: Browser) -> None:
        status, text, _ = await browser.ask(path)
        assert status == 404
        assert "<h1>" in text

    visit(world, walk)


def test_viewers_share_snapshots(world: World) -> None:
    world.submit("visits", "grace", 30)

    async def walk(browser: Browser) -> None:
        await browser.page("/ui/")
        before = world.core.questions
        for _ in range(20):
            await browser.page("/ui/")
        assert world.core.questions - before <= 20 / 4

    visit(world, walk)


def test_a_page_follows_its_job_and_streams_are_bounded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "CLIENTS_MAX", 1)
    monkeypatch.setattr(events, "FEED_SECONDS", 0.0)
    monkeypatch.setattr("mrmesos.jobtracker.pages.live.FRESH_SECONDS", 0.0)
    job_id = world.submit("visits", "grace", 1)

    async def walk(browser: Browser) -> None:
        page = await browser.page(f"/ui/jobs/{job_id}")
        assert f'data-follow="/ui/jobs/{job_id}"' in page
        where = f"{browser.base}/ui/events?of=/ui/jobs/{job_id}"
        async with browser.session.get(where, headers={"Cookie": browser.cookie}) as stream:
            assert stream.content_type == "text/event-stream"
            assert "No attempt has begun" in await version(stream.content)
            status, _, _ = await browser.ask(f"/ui/events?of=/ui/jobs/{job_id}")
            assert status == 503
            world.run(1)
            while "m_000000_0" not in await version(stream.content):
                pass
            world.gate.sessions.close(browser.cookie.partition("=")[2])
            world.run(1)
            while "the session has ended" not in await version(stream.content):
                pass
        page = await browser.page("/ui/login")

    visit(world, walk)


def test_a_page_that_cannot_be_made_is_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(events, "FEED_SECONDS", 0.0)
    failures = iter([ZeroDivisionError(), ZeroDivisionError()])
    make = world.pages._contents.of

    async def sometimes(path: str, query: Mapping[str, str]) -> Content:
        for problem in failures:
            raise problem
        return await make(path, query)

    monkeypatch.setattr(world.pages._contents, "of", sometimes)

    async def walk(browser: Browser) -> None:
        where = f"{browser.base}/ui/events?of=/ui/jobs"
        async with browser.session.get(where, headers={"Cookie": browser.cookie}) as stream:
            assert "No job yet" in await version(stream.content)

    visit(world, walk)
    assert caplog.text.count("/ui/jobs cannot be made") == 2


async def version(content: object) -> str:
    """The next event of a stream."""
    import aiohttp

    assert isinstance(content, aiohttp.StreamReader)
    async with asyncio.timeout(30):
        return (await content.readuntil(b"\n\n")).decode()


# --- Who gets in ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
def test_strangers_see_only_the_login(world: World, path: str) -> None:
    async def walk(browser: Browser) -> None:
        status, text, headers = await browser.ask(path)
        assert status == 303
        assert headers["Location"].startswith("/ui/login")
        browser.cookie = f"mrmesos-{browser.base.rpartition(':')[2]}=forged"
        status, text, _ = await browser.ask(path, headers={"Accept": "text/event-stream"})
        assert status == 401
        assert "cluster" not in text

    visit(world, walk, known=False)


def test_a_token_becomes_a_cookie_that_nothing_else_can_use(world: World) -> None:
    async def walk(browser: Browser) -> None:
        status, text, headers = await browser.ask("/ui/login", {"token": "wrong"})
        assert (status, "Set-Cookie" in headers) == (403, False)
        assert "not the token" in text
        form = {"token": TOKEN, "next": "/ui/jobs?q=x"}
        status, _, headers = await browser.ask("/ui/login", form)
        assert (status, headers["Location"]) == (303, "/ui/jobs?q=x")
        cookie = headers["Set-Cookie"]
        assert TOKEN not in cookie
        for part in ("HttpOnly", "SameSite=Strict", "Path=/ui/", "Max-Age=28800"):
            assert part in cookie
        assert "Domain" not in cookie
        assert cookie.startswith(f"mrmesos-{browser.base.rpartition(':')[2]}=")
        browser.cookie = cookie.partition(";")[0]
        await browser.page("/ui/")
        await browser.ask("/ui/logout", {})
        status, _, _ = await browser.ask("/ui/")
        assert status == 303  # the cookie is worth nothing any more

    visit(world, walk, known=False)


@pytest.mark.parametrize(
    "to", ["https://evil.example/", "//evil.example", "/\\evil.example", "/ui/\r\nX: y", "/api/v1"]
)
def test_a_login_leads_only_to_our_pages(world: World, to: str) -> None:
    async def walk(browser: Browser) -> None:
        _, _, headers = await browser.ask("/ui/login", {"token": TOKEN, "next": to})
        assert headers["Location"] == "/ui/"

    visit(world, walk, known=False)


def test_a_ticket_is_good_once_and_not_for_long(world: World) -> None:
    async def walk(browser: Browser) -> None:
        now = world.gate.clock()
        path = login_path(world.gate, 60)
        ticket = path.partition("ticket=")[2]
        status, text, headers = await browser.ask(path)
        assert (status, "Set-Cookie" in headers) == (200, False)  # looking at it costs nothing
        assert ticket in text
        status, _, headers = await browser.ask("/ui/login", {"ticket": ticket})
        assert (status, headers["Location"]) == (303, "/ui/")
        status, text, _ = await browser.ask("/ui/login", {"ticket": ticket})
        assert status == 403
        assert "used before, or is too old" in text
        late = world.gate.sessions.ticket(now - 61)
        status, _, _ = await browser.ask("/ui/login", {"ticket": late})
        assert status == 403

    visit(world, walk, known=False)


def test_a_read_only_link_shows_and_changes_nothing(world: World) -> None:
    job_id = world.submit("visits", "grace", 9)
    world.run(1)

    async def walk(browser: Browser) -> None:
        path = world.gate.link_path(3600, "")
        link = path.partition("link=")[2]
        _, text, headers = await browser.ask(path)
        assert link in text
        assert "Set-Cookie" not in headers  # looking at it opens no session
        status, _, headers = await browser.ask("/ui/login", {"link": link})
        assert (status, headers["Location"]) == (303, "/ui/jobs")
        assert "Max-Age=3600" in headers["Set-Cookie"] or "Max-Age=3599" in headers["Set-Cookie"]
        browser.cookie = headers["Set-Cookie"].partition(";")[0]
        for shown in ("/ui/", "/ui/jobs", f"/ui/jobs/{job_id}/attempts"):
            assert "read only" in await browser.page(shown)
        assert "data-read-only" in await browser.page(f"/ui/jobs/{job_id}")
        status, text, _ = await browser.ask(f"/ui/jobs/{job_id}/kill", {})
        assert (status, "changes nothing" in text) == (403, True)
        assert job_id in world.hands.core.st.jobs
        await browser.ask("/ui/logout", {})
        assert (await browser.ask("/ui/"))[0] == 303

    visit(world, walk, known=False)


def test_a_link_to_a_job_shows_no_other_page(world: World) -> None:
    mine, other = world.submit("mine", "grace", 2), world.submit("other", "grace", 2)
    world.run(1)
    attempt = world.running_of(mine)[0]

    async def walk(browser: Browser) -> None:
        link = world.gate.link_path(60, mine).partition("link=")[2]
        _, _, headers = await browser.ask("/ui/login", {"link": link})
        assert headers["Location"] == f"/ui/jobs/{mine}"
        browser.cookie = headers["Set-Cookie"].partition(";")[0]
        await browser.page(f"/ui/jobs/{mine}")
        await browser.page(f"/ui/jobs/{mine}/settings")
        await browser.page(f"/ui/attempts/{attempt}")
        refused = [f"/ui/jobs/{other}", "/ui/", "/ui/jobs", f"/ui/jobs/{mine}9", "/ui/events"]
        refused += [f"/ui/events?of=/ui/jobs/{other}", f"/ui/jobs/{mine}/../{other}"]
        refused += [f"/ui/attempts/{attempt.replace(mine[4:], other[4:])}"]
        for path in refused:
            assert (await browser.ask(path))[0] == 403, path

    visit(world, walk, known=False)


def test_a_stolen_link_is_worth_nothing_after_its_time_nor_if_it_is_changed(world: World) -> None:
    now = [1000.0]
    world.gate._wall_clock = lambda: now[0]
    world.gate.clock = lambda: now[0]
    job_id = world.submit("visits", "grace", 1)

    async def walk(browser: Browser) -> None:
        link = world.gate.link_path(600, job_id).partition("link=")[2]
        until, job, mac = link.split(".")
        forged = [
            f"9{until}.{job}.{mac}",
            f"{until}.-.{mac}",
            f"{until}.{job}.{'0' * 64}",
            f"{until}.{job}.",
            "",
            "." * 30,
            "é.ü.ö",
        ]
        for each in forged:
            status, _, headers = await browser.ask("/ui/login", {"link": each})
            assert status == 403, each
            assert "Set-Cookie" not in headers
        _, _, headers = await browser.ask("/ui/login", {"link": link})
        browser.cookie = headers["Set-Cookie"].partition(";")[0]
        await browser.page(f"/ui/jobs/{job_id}")
        now[0] += 600
        assert (await browser.ask(f"/ui/jobs/{job_id}"))[0] == 303  # its session has ended, too
        status, text, _ = await browser.ask("/ui/login", {"link": link})
        assert (status, "has expired" in text) == (403, True)
        other = Gate("another token", secure=False, wall_clock=lambda: 1000.0)
        foreign = other.link_path(600, job_id).partition("link=")[2]
        now[0] = 1000.0
        assert (await browser.ask("/ui/login", {"link": foreign}))[0] == 403

    visit(world, walk, known=False)


def test_a_link_takes_nothing_from_a_session_that_may_do_more(world: World) -> None:
    async def walk(browser: Browser) -> None:
        link = world.gate.link_path(600, "").partition("link=")[2]
        status, _, headers = await browser.ask("/ui/login", {"link": link})
        assert (status, "Set-Cookie" in headers) == (303, False)

    visit(world, walk)


def test_a_session_ends_after_its_time(world: World) -> None:
    sessions = world.gate.sessions
    cookie = sessions.open(0.0)
    assert sessions.knows(cookie, 8 * 3600 - 1)
    assert not sessions.knows(cookie, 8 * 3600)
    first = sessions.open(0.0)
    for _ in range(1000):
        sessions.open(0.0)
    assert not sessions.knows(first, 1.0)


def test_a_job_is_killed_only_by_its_own_page(world: World) -> None:
    job_id = world.submit("visits", "grace", 9)
    path = f"/ui/jobs/{job_id}/kill"

    def state() -> JobState:
        status = queries.job_status(world.hands.core.st, job_id)
        assert status is not None
        return status.state

    async def walk(browser: Browser) -> None:
        evil = "https://evil.example"
        refused = [
            await browser.ask(path, {}, headers={"Origin": evil}),
            await browser.ask(path, {}, headers={"Origin": "null"}),
            await browser.ask(path, {}, headers={"Sec-Fetch-Site": "cross-site"}),
            await browser.ask(path, {}, headers={"Host": "evil.example"}),
            await browser.ask(path),  # a link cannot do it either
        ]
        assert [status for status, _, _ in refused] == [403, 403, 403, 403, 404]
        async with browser.session.post(
            browser.base + path, headers={"Cookie": browser.cookie}
        ) as answer:
            assert answer.status == 403  # every browser sends Origin with a form
        cookie, browser.cookie = browser.cookie, ""
        assert (await browser.ask(path, {}))[0] == 401
        assert state() is JobState.RUNNING
        browser.cookie = cookie
        status, _, headers = await browser.ask(path, {})
        assert (status, headers["Location"]) == (303, f"/ui/jobs/{job_id}")
        assert state() is JobState.ABORTING
        assert (await browser.ask("/ui/jobs/job_9_9/kill", {}))[0] == 404

    visit(world, walk)


def test_priority_and_pool_are_changed_by_the_jobs_own_page(world: World) -> None:
    job_id = world.submit("visits", "grace", 9, job_pool="etl")
    path = f"/ui/jobs/{job_id}/move"
    form = {"priority": "HIGH", "pool": "adhoc"}

    async def walk(browser: Browser) -> None:
        assert "pool <bdi>etl</bdi>" in await browser.page(f"/ui/jobs/{job_id}")
        status, _, _ = await browser.ask(path, form, headers={"Origin": "https://evil.example"})
        assert status == 403
        cookie, browser.cookie = browser.cookie, ""
        assert (await browser.ask(path, form))[0] == 401
        browser.cookie = cookie
        status, _, headers = await browser.ask(path, form)
        assert (status, headers["Location"]) == (303, f"/ui/jobs/{job_id}")
        assert world.hands.core.st.jobs[job_id].settings.pool == "adhoc"
        assert (await browser.ask("/ui/jobs/job_9_9/move", form))[0] == 404

    visit(world, walk)


def test_a_foreign_name_reads_nothing(world: World) -> None:
    """DNS rebinding: the page of evil.example has its name lead to us."""

    async def walk(browser: Browser) -> None:
        for path in ("/", "/ui/", "/ui/login", "/ui/jobs", "/ui/events?of=/ui/jobs"):
            status, text, _ = await browser.ask(path, headers={"Host": "evil.example:80"})
            assert status == 403
            assert "not a name of this server" in text

    visit(world, walk)


def test_a_link_of_another_site_opens_a_page_but_nothing_else_of_it_does(world: World) -> None:
    link = {
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    }

    async def walk(browser: Browser) -> None:
        cookie, browser.cookie = browser.cookie, ""  # SameSite=Strict
        status, text, _ = await browser.ask("/ui/jobs", headers=link)
        assert status == 200
        assert 'http-equiv="refresh"' in text
        assert "submit" not in text
        assert (await browser.ask("/", headers=link))[0] == 302  # as Mesos' page links to us
        browser.cookie = cookie
        for changed in (
            {"Sec-Fetch-Dest": "iframe"},
            {"Sec-Fetch-Mode": "no-cors"},
            {"Sec-Fetch-Mode": "cors"},
        ):
            assert (await browser.ask("/ui/jobs", headers={**link, **changed}))[0] == 403

    visit(world, walk)


@pytest.mark.parametrize("path", ["/ui/login", "/ui/", "/ui/x", "/ui/static/live.js"])
def test_every_answer_is_confined(world: World, path: str) -> None:
    async def walk(browser: Browser) -> None:
        _, _, headers = await browser.ask(path)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
        cached = "max-age=86400" in headers["Cache-Control"]
        assert cached == path.startswith("/ui/static/")

    visit(world, walk)


def test_whatever_users_write_stays_text(world: World) -> None:
    job_id = world.submit(EVIL, EVIL, 1, map_maxattempts="1", more={EVIL: EVIL})
    world.run(1)
    (attempt_id,) = world.running_of(job_id)
    evil = replace(
        CULPRIT, message=EVIL, detail=EVIL + "</pre>", where=EVIL, record=EVIL + "</code>"
    )
    world.fail(attempt_id, evil)
    world.finish(job_id, failed=True)
    counted = world.submit(EVIL, EVIL, 2, place=f"hdfs://{EVIL}")
    world.run(1)
    done, running = world.running_of(counted)
    world.hands.end(done, counters={EVIL: {EVIL: 7}}, log_tail=EVIL)
    told = AttemptProgress(attempt_id=running, progress=0.5, status=EVIL)
    world.hands.beat(world.hands.tracker_of[running], progress=[told])
    waits = world.submit("w", "u", 1, more={"job.pool": EVIL, "job.constraints": f"a = {EVIL}"})
    world.hands.core.st.tracker_ends.last_stderr = EVIL
    world.hands.core.st.ended._reports.clear()
    chain = world.chain(EVIL, EVIL, {EVIL: (), f"{EVIL}2": (EVIL,)})

    async def walk(browser: Browser) -> None:
        paths = [
            f"/ui/chains/{chain}",
            "/ui/",
            f"/ui/jobs?q={EVIL.replace('&', '%26').replace(' ', '+')}&sort={EVIL[:9]}",
            *(f"/ui/attempts/{each}" for each in (attempt_id, done, running)),
            *(f"/ui/jobs/{job}{part}" for job in (job_id, counted, waits) for part in PARTS),
            f"/ui/jobs/{job_id}/attempts?q=<script>&state=<script>",
            "/ui/login?next=<script>&ticket=<script>",
            f"/ui/{EVIL[:30]}",
        ]
        shown = 0
        for path in paths:
            _, text, _ = await browser.ask(path)
            found = Tags(text)
            assert found.names.isdisjoint({"img", "iframe", "object", "style"}), path
            assert not [a for a in found.attributes if a.startswith("on") or a == "style"], path
            assert found.code == "", path
            shown += "&lt;script&gt;" in text
        assert shown >= 14

    visit(world, walk)


def test_no_page_has_inline_code(world: World) -> None:
    job_id, attempt_id = failing(world)

    async def walk(browser: Browser) -> None:
        for path in ("/ui/", "/ui/jobs", f"/ui/jobs/{job_id}", f"/ui/attempts/{attempt_id}"):
            text = await browser.page(path)
            scripts = re.findall(r"<script[^>]*>(.*?)</script>", text, re.S)
            assert scripts == [""], path
            assert "<style" not in text
            hosts = re.findall(r"(?:src|href|action)=\"(?:https?:)?//([^\"/]+)", text)
            assert hosts == [], path

    visit(world, walk)


def test_a_history_alone_has_pages_and_no_kill(world: World) -> None:
    from mrmesos.jobtracker.pages.app import Pages
    from mrmesos.jobtracker.pages.kept import KeptSource

    job_id, attempt_id = failing(world)
    running = world.submit("visits", "grace", 9)
    world.pages = Pages(KeptSource(world.history), world.gate, lambda: world.hands.now)

    async def walk(browser: Browser) -> None:
        assert "visits" in await browser.page("/ui/")
        assert "ended the job" in await browser.page(f"/ui/jobs/{job_id}")
        assert TAIL.splitlines()[1] in await browser.page(f"/ui/attempts/{attempt_id}")
        assert (await browser.ask(f"/ui/jobs/{running}/kill", {}))[0] == 404
        assert (await browser.ask(f"/ui/jobs/{running}"))[0] == 404

    visit(world, walk)
    assert running in world.hands.core.st.jobs
