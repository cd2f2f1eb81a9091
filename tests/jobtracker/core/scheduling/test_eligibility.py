"""What jobs demand of agents: attributes, roles, GPUs, ports. Also the limit on all we hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from mrmesos.conf import Conf, ConfError
from mrmesos.jobtracker.core.messages import commands as cmd
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.model.settings import CoreSettings, JobSettings
from mrmesos.jobtracker.core.scheduling.eligibility import Fit
from tests.jobtracker.harness import Hands, launches, of, scalar, spec, splits, started

MB = 4096.0


class Cluster(Hands):
    """Hands whose agents have attributes and offer resources to several roles."""

    def offers_of(self, *offers: ev.Offer) -> list[cmd.Command]:
        return self.do(ev.OffersReceived(offers))

    def one(
        self,
        agent: str,
        attributes: Mapping[str, str] | None = None,
        role: str = "*",
        resources: tuple[Mapping[str, Any], ...] | None = None,
        cpus: float = 4.0,
    ) -> ev.Offer:
        self.offers += 1
        held = {"allocation_info": {"role": role}}
        plain = (scalar("cpus", cpus, **held), scalar("mem", MB, **held))
        return ev.Offer(
            f"o{self.offers}", agent, agent, resources or plain, attributes or {}, role=role
        )


def where(commands: list[cmd.Command]) -> set[str]:
    """The agents on which something was launched."""
    return {launch.agent_id for launch in launches(commands)}


def test_a_job_runs_only_where_its_constraints_allow() -> None:
    hands = Cluster()
    job = hands.job(maps=20, reduces=2, job_constraints="rack in r1,r2; disk = ssd")
    commands = hands.offers_of(
        hands.one("a", {"rack": "r1", "disk": "ssd"}),
        hands.one("b", {"rack": "r1", "disk": "hdd"}),
        hands.one("c", {"rack": "r3", "disk": "ssd"}),
        hands.one("d"),
    )
    assert where(commands) == {"a"}
    declined = [o for c in of(commands, cmd.DeclineOffers) for o in c.offer_ids]
    assert len(declined) == 3
    assert not hands.status(job).waiting


def test_jobs_behind_take_what_a_constraint_leaves() -> None:
    hands = Cluster()
    hands.job(maps=4, job_constraints="disk = ssd")
    free = hands.job(maps=4)
    commands = hands.offers_of(hands.one("b", {"disk": "hdd"}))
    assert {launch.first.job_id for launch in launches(commands)} == {free}


def test_slots_go_to_jobs_that_the_agent_suits() -> None:
    hands = Cluster()
    hands.job(maps=1)
    hands.job(maps=5, job_constraints="disk = ssd")
    commands = hands.offers_of(hands.one("a", {"disk": "hdd"}, cpus=1.0))
    attempt = launches(commands)[0].first.attempt_id
    assert started(hands.end(attempt)) == []


def test_an_agent_that_comes_back_with_other_attributes() -> None:
    hands = Cluster()
    hands.job(maps=4, job_constraints="disk = ssd")
    assert not where(hands.offers_of(hands.one("a", {"disk": "hdd"})))
    assert where(hands.offers_of(hands.one("a", {"disk": "ssd"}))) == {"a"}


def test_maps_whose_data_is_where_they_may_not_run_do_not_wait() -> None:
    hands = Cluster()
    hands.offers_of(hands.one("b", {"disk": "hdd"}), hands.one("a", {"disk": "ssd"}))
    hands.job(("b",), job_constraints="disk = ssd", locality_wait_node="30")
    assert where(hands.offers_of(hands.one("a", {"disk": "ssd"}))) == {"a"}


def test_a_failed_task_whose_job_may_run_on_one_agent_only_runs_there_again() -> None:
    hands = Cluster()
    hands.job(maps=1, job_constraints="disk = ssd")
    commands = hands.offers_of(hands.one("a", {"disk": "ssd"}), hands.one("b"), hands.one("c"))
    again = hands.fail(launches(commands)[0].first.attempt_id)
    assert started(again) == ["m0.1"], "no other agent would do"


def test_why_a_job_waits_whose_constraints_no_agent_meets() -> None:
    hands = Cluster()
    job = hands.job(maps=1, job_constraints="rack = nowhere")
    hands.offers_of(hands.one("a"), hands.one("b"))
    hands.later(6)
    assert hands.status(job).waiting == (
        "none of the 2 agents known meets what it asks: rack = nowhere"
    )


def test_roles_are_not_mixed() -> None:
    """One ACCEPT takes offers of one role only. Slots of two roles may share a TaskTracker."""
    hands = Cluster({"mesos.role": "etl,adhoc"})
    hands.job(maps=20)
    commands = hands.offers_of(
        hands.one("a", role="etl"),
        hands.one("a", role="adhoc"),
        hands.one("a", role="etl"),
    )
    accepts = of(commands, cmd.AcceptOffers)
    assert sorted(len(accept.offer_ids) for accept in accepts) == [1, 2]
    assert len({launch.tracker_id for launch in launches(commands)}) == 1
    for accept in accepts:
        roles = {
            resource["allocation_info"]["role"]
            for launch in accept.launches
            for resource in launch.resources
        }
        assert len(roles) == 1
    first = accepts[0].launches[0]
    own = {resource["allocation_info"]["role"] for resource in first.tracker_resources}
    assert own == {r["allocation_info"]["role"] for r in first.resources}


def test_a_job_of_one_role_takes_no_other() -> None:
    hands = Cluster({"mesos.role": "etl,adhoc"})
    hands.job(maps=8, job_role="etl")
    commands = hands.offers_of(hands.one("a", role="adhoc"), hands.one("b", role="etl"))
    assert where(commands) == {"b"}


def test_roles_without_demand_are_suppressed_and_those_with_it_revived() -> None:
    hands = Cluster({"mesos.role": "etl,adhoc"})
    assert hands.core.st.offers.suppressed == {"etl", "adhoc"}
    hands.now += 10
    job_id = hands.core.next_job_id()
    hands.do(ev.JobSubmitted(job_id, spec(job_role="etl"), "token"))
    commands = hands.do(ev.JobPlanned(job_id, splits(())))
    assert of(commands, cmd.Revive) == [cmd.Revive(("etl",))]
    assert hands.core.st.offers.suppressed == {"adhoc"}
    launched = launches(hands.offers_of(hands.one("a", role="etl")))
    commands = hands.update(launched[0].slot_id, "TASK_RUNNING")
    assert hands.core.st.offers.suppressed == {"etl", "adhoc"}


def test_a_role_that_the_jobtracker_has_not() -> None:
    hands = Cluster()
    job = hands.job(maps=1, job_role="etl")
    hands.offers_of(hands.one("a"))
    hands.later(6)
    assert "role etl" in hands.status(job).waiting


def test_work_without_gpus_keeps_off_agents_with_them() -> None:
    hands = Cluster({"mesos.gpus.max": "8"})
    gpus = (scalar("cpus", 4), scalar("mem", MB), scalar("gpus", 2))
    plain = hands.job(maps=4)
    assert not where(hands.offers_of(hands.one("g", resources=gpus)))
    hands.later(6)
    assert "to have no GPUs" in hands.status(plain).waiting
    hands.job(maps=4, map_resources="gpus:1")
    commands = hands.offers_of(hands.one("g", resources=gpus), hands.one("a"))
    assert where(commands) == {"a", "g"}
    taken = [launch for launch in launches(commands) if launch.agent_id == "g"]
    assert len(taken) == 2
    for launch in taken:
        assert [r["scalar"]["value"] for r in launch.resources if r["name"] == "gpus"] == [1.0]


def test_scalars_disk_and_ports_are_taken_from_the_offer() -> None:
    hands = Cluster()
    hands.job(maps=3, map_resources="db_connections:2;disk:100;ports:2", map_cpus="0.5")
    ports = {
        "name": "ports",
        "type": "RANGES",
        "ranges": {"range": [{"begin": 1, "end": 3}, {"begin": 7, "end": 7}]},
    }
    resources = (
        scalar("cpus", 4),
        scalar("mem", MB),
        scalar("disk", 1000),
        scalar("db_connections", 9),
        ports,
    )
    commands = hands.offers_of(hands.one("a", resources=resources))
    got = [
        {r["name"]: r.get("scalar", r.get("ranges")) for r in launch.resources}
        for launch in launches(commands)
    ]
    assert len(got) == 2, "there are ports for two"
    assert got[0]["db_connections"] == {"value": 2.0}
    assert got[0]["disk"] == {"value": 100.0}
    assert got[0]["ports"] == {"range": [{"begin": 1, "end": 2}]}
    assert got[1]["ports"] == {"range": [{"begin": 3, "end": 3}, {"begin": 7, "end": 7}]}


@pytest.mark.parametrize(
    ("limit", "slots"),
    [({"mesos.cpus.max": "3"}, 3), ({"mesos.mem.max.mb": "2200"}, 2), ({}, 8)],
)
def test_the_cap_is_held(limit: Mapping[str, str], slots: int) -> None:
    """A TaskTracker's 128 MiB and its CPUs count. Each slot asks for fewer CPUs in return."""
    hands = Cluster({**limit, "tasktracker.cpus": "0.1"})
    hands.job(maps=20)
    first = launches(hands.offers_of(hands.one("a", cpus=2.0)))
    second = launches(hands.offers_of(hands.one("b", cpus=16.0), hands.one("c", cpus=3.0)))
    running = len(first) + len(second)
    assert running == slots
    assert not launches(hands.offers_of(hands.one("d"))) or not limit
    attempt = first[0].first.attempt_id
    hands.beat(first[0].tracker_id)
    assert started(hands.end(attempt)), "slots at hand go on"


def test_settings_that_say_nothing() -> None:
    for bad in ("gpus:0.5", "ports:1.5", "cpus:1"):
        with pytest.raises(ConfError, match=r"map\.resources"):
            JobSettings.of(spec(map_resources=bad))
    with pytest.raises(ConfError, match=r"job\.constraints"):
        JobSettings.of(spec(job_constraints="rack"))
    cap = CoreSettings.of(Conf({"mesos.cpus.max": "2.5", "mesos.gpus.max": "1"})).cap
    assert cap == {"cpus": 2500, "gpus": 1000}


def test_why_a_job_waits_that_the_cap_keeps_from_running() -> None:
    hands = Cluster({"mesos.cpus.max": "1"})
    hands.job(maps=1, job_constraints="hostname = a")
    hands.offers_of(hands.one("a"))
    later = hands.job(maps=1, job_priority="VERY_HIGH")
    hands.offers_of(hands.one("b"))
    hands.later(6)
    assert hands.status(later).waiting == "this JobTracker may hold no more than 1 CPU"


def test_what_only_a_small_agent_has_is_not_too_much() -> None:
    hands = Cluster()
    job = hands.job(maps=1, map_resources="db_connections:1")
    small = (scalar("cpus", 1), scalar("mem", 2048), scalar("db_connections", 1))
    hands.offers_of(hands.one("large"))
    hands.later(6)
    assert "the largest offer seen" in hands.status(job).waiting
    assert where(hands.offers_of(hands.one("small", resources=small))) == {"small"}
    other = hands.job(maps=1, map_resources="db_connections:1")
    hands.later(6)
    assert "the largest offer seen" not in hands.status(other).waiting


def test_a_need_has_cpus_and_memory_once() -> None:
    with pytest.raises(ConfError, match=r"map\.resources: cpus has its own setting"):
        JobSettings.of(spec(map_resources="cpus:2"))


def test_bad_further_resources_are_named() -> None:
    with pytest.raises(ConfError, match=r"map\.resources: .*db_connections:2"):
        JobSettings.of(spec(map_resources="db"))


def test_a_slot_leaves_a_share_to_task_trackers() -> None:
    room = Fit({"cpus": 1000, "mem": 1128}, {"cpus": 100, "mem": 128}, 100)
    assert room.fits({"cpus": 1000, "mem": 1000})
    assert room.asks({"cpus": 1000, "mem": 1000}) == {"cpus": 900, "mem": 1000}
    assert not room.fits({"cpus": 1001, "mem": 1000})
    assert not room.fits({"cpus": 1000, "mem": 1001})
    assert room.asks({"cpus": 50, "mem": 1})["cpus"] == 10, "never less than Mesos' least"
