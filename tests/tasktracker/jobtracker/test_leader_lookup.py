"""How a TaskTracker finds its JobTracker."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from mrmesos.election.finder import NoLeader
from mrmesos.election.place import Place
from mrmesos.tasktracker.jobtracker import leader_lookup
from mrmesos.tasktracker.jobtracker.client import JobTrackerLink, NoAnswer
from mrmesos.tasktracker.jobtracker.leader_lookup import LeaderLookup
from tests.tasktracker.fake_jobtracker import KEY, fake_jobtracker

ZK = "zk://h1:2181/mrmesos"


class Election:
    def __init__(self, *urls: str) -> None:
        self.urls = list(urls)
        self.looks = 0

    def find(self, place: Place) -> str:
        assert place.url == ZK
        self.looks += 1
        url = self.urls.pop(0)
        if not url:
            raise NoLeader("nobody")
        return url


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leader_lookup, "LOOK_SECONDS", (0.05, 0.1))


def test_a_url_is_kept_whatever_it_answers() -> None:
    async def body() -> None:
        where = LeaderLookup("http://h:1/", Election().find)
        where.doubt("http://h:1")
        assert await where.url() == "http://h:1"

    asyncio.run(body())


def test_the_elected_one_is_looked_for_once_by_all_who_ask() -> None:
    async def body() -> None:
        election = Election("http://h1:1", "http://h2:1")
        where = LeaderLookup(ZK, election.find)
        assert set(await asyncio.gather(*(where.url() for _ in range(3)))) == {"http://h1:1"}
        assert election.looks == 1
        for _ in range(3):  # several requests failed; some doubts arrive after the next lookup
            where.doubt("http://h1:1")
        assert await where.url() == "http://h2:1"
        where.doubt("http://h1:1")
        assert await where.url() == "http://h2:1"
        assert election.looks == 2

    asyncio.run(body())


def test_nobody_may_lead_for_a_while() -> None:
    async def body() -> None:
        where = LeaderLookup(ZK, Election("", "http://h1:1").find)
        with pytest.raises(NoLeader):
            await where.url()
        assert await where.url() == "http://h1:1"

    asyncio.run(body())


def test_a_link_follows_the_election_when_it_is_not_answered_or_not_by_its_own() -> None:
    async def body() -> None:
        async with fake_jobtracker() as first, fake_jobtracker() as second:
            link = JobTrackerLink(ZK, "tracker_1")
            election = Election(first.url, "", second.url, first.url)
            link._where = LeaderLookup(ZK, election.find)
            await link.open()
            link.use_key(KEY)
            timeout = aiohttp.ClientTimeout(total=10.0)

            async def ask() -> int:
                return (await link.exchange("GET", "/api/v1/jobs/x/facts", time_limit=timeout))[0]

            assert await ask() == 404
            first.statuses = [503, 0]
            assert await ask() == 503, "it is there, and says that it cannot"
            with pytest.raises(NoAnswer):
                await ask()
            with pytest.raises(NoAnswer, match="nobody"):
                await ask()
            assert await ask() == 404
            assert len(second.requests) == 1
            second.impostor = True
            with pytest.raises(NoAnswer, match="not signed by our JobTracker"):
                await ask()
            assert await ask() == 404
            assert election.looks == 4
            assert not first.statuses
            await link.close()

    asyncio.run(body())
