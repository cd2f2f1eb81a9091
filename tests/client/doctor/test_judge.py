"""Each fault of a cluster is found in the facts, and its remedy is said. Nothing fine is blamed."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from mrmesos.client.doctor.facts import (
    AgentFacts,
    Answer,
    ClusterFacts,
    Facts,
    HereFacts,
    PlaceFacts,
    Probe,
    TokenFacts,
    UriFacts,
    Version,
)
from mrmesos.client.doctor.judge import Diagnosis, Level, judge

HERE = HereFacts(
    python="3.11.7",
    executable="/usr/bin/python3",
    mrmesos="0.1.0",
    packages=(Version("pyarrow", "26.0.1", "pyarrow>=24"),),
    places=(PlaceFacts("/tmp", "temporary files", 50_000),),
    uris=(UriFacts("hdfs://nn/x"),),
    token=TokenFacts("/home/ann/.mrmesos/token", is_there=True),
)
PROBE = Probe(
    python="3.11.9",
    executable="/opt/mrmesos/bin/python",
    mrmesos="0.1.0",
    time=1000.5,
    user="0",
    free_mb={"/": 50_000},
    uris=(UriFacts("hdfs://nn/x"),),
)
AGENT = AgentFacts(
    hostname="a1",
    address="10.0.0.1:5051",
    probe=PROBE,
    probe_started=1000.0,
    probe_ended=1001.0,
)
CLUSTER = ClusterFacts(
    master=Answer(url="http://m:5050", version="1.11.0", ahead_seconds=0.4),
    jobtracker=Answer(url="http://j:5055", version="0.1.0", ahead_seconds=-0.4),
    is_probed=True,
    jobtracker_url="http://10.0.0.9:5055",
    agents=(AGENT,),
)


def facts(**changes: Any) -> Facts:
    """A good cluster with changes: `here_token`, `jobtracker`, `agent_probe`, `probe_time`, …."""
    here, cluster, agent = HERE, CLUSTER, AGENT
    for name, value in changes.items():
        part, _, field = name.partition("_")
        if part == "here":
            here = replace(here, **{field: value})
        elif part == "agent":
            agent = replace(agent, **{field: value})
        elif part == "seen":
            assert agent.probe is not None
            agent = replace(agent, probe=replace(agent.probe, **{field: value}))
        else:
            cluster = replace(cluster, **{field: value})
    return Facts(here, replace(cluster, agents=(agent,)))


def blamed(given: Facts) -> list[Diagnosis]:
    return [each for each in judge(given) if each.level is not Level.FINE]


def test_a_good_cluster_is_fine() -> None:
    assert blamed(facts()) == []
    assert len(judge(facts())) > 10
    assert all(not each.remedy for each in judge(facts()))


def failing(kind: str, problem: str) -> Answer:
    return Answer(url="http://j:5055", problem=problem, kind=kind)


@pytest.mark.parametrize(
    ("changes", "check", "remedy"),
    [
        ({"seen_python": "3.12.1"}, "python", "install the same Python"),
        ({"here_python": "3.9.2"}, "python", "Python 3.11 or later"),
        (
            {"agent_probe": None, "agent_probe_problem": "exited with status 127: not found"},
            "python",
            "tasktracker.command",
        ),
        ({"cluster_jobtracker": failing("refused", "Connection refused")}, "port", "start the"),
        ({"cluster_master": failing("silent", "no answer")}, "port", "firewall"),
        ({"cluster_master": failing("strange", "no JSON")}, "port", "another program"),
        ({"seen_time": 4600.0}, "clock", "NTP"),
        ({"seen_time": -4600.0}, "clock", "NTP"),
        (
            {"cluster_master": Answer(url="http://m:5050", ahead_seconds=90.0)},
            "clock",
            "timedatectl",
        ),
        ({"here_token": TokenFacts("/t", is_there=False)}, "token", "MRMESOS_TOKEN_FILE"),
        ({"cluster_jobtracker": failing("denied", "HTTP 401")}, "token", "copy the token"),
        ({"seen_free_mb": {"/": 3}}, "disk", "remove files"),
        ({"here_places": (PlaceFacts("/tmp", "x", 0),)}, "disk", "TMPDIR"),
        (
            {"seen_uris": (UriFacts("s3://b", driver="mrmesos[s3]"),)},
            "driver",
            "pip install 'mrmesos[s3]'",
        ),
        (
            {"here_uris": (UriFacts("s3://b", driver="mrmesos[s3]"),)},
            "driver",
            "pip install 'mrmesos[s3]'",
        ),
        ({"seen_mrmesos": "0.0.9"}, "version", "install mrmesos 0.1.0"),
        (
            {"cluster_jobtracker": Answer(url="http://j:5055", version="0.2.0")},
            "version",
            "install mrmesos 0.2.0 on both",
        ),
        (
            {"here_packages": (Version("pyarrow", "20", "pyarrow>=24", is_enough=False),)},
            "version",
            "pip install 'pyarrow>=24'",
        ),
        (
            {"here_token": TokenFacts("/t", is_there=True, problem="/t belongs to another user")},
            "owner",
            "chown $(id -un) /t",
        ),
        (
            {"here_places": (PlaceFacts("/h", "kept jobs", 9, "Permission denied"),)},
            "permission",
            "chown",
        ),
        (
            {"agent_problem": "Connection refused", "agent_kind": "silent", "agent_probe": None},
            "agent",
            "firewall",
        ),
        ({"agent_is_active": False}, "agent", "start mesos-agent there again"),
        ({"agent_log_problem": "no route"}, "agent", "open the TaskTrackers' ports"),
        ({"cluster_jobtracker_url": "http://127.0.0.1:5055"}, "agent", "--host ADDRESS"),
        ({"cluster_unreachable_agents": 2}, "agent", "network between master and agents"),
        ({"cluster_master": failing("dns", "there is no host m")}, "dns", "/etc/hosts"),
        ({"agent_problem": "there is no host a1", "agent_kind": "dns"}, "dns", "--hostname"),
        (
            {"agent_probe": None, "agent_probe_problem": "still waits: no offer fits"},
            "agent",
            "reaches the JobTracker",
        ),
    ],
)
def test_a_fault_is_found_and_its_remedy_said(
    changes: dict[str, Any], check: str, remedy: str
) -> None:
    found = blamed(facts(**changes))
    assert {each.check for each in found} == {check}, found
    assert remedy in found[0].remedy
    assert found[0].found


def test_without_a_cluster_only_this_machine_is_judged() -> None:
    assert {each.where for each in judge(Facts(HERE))} == {"this machine"}
