"""Makes findings of facts: each says what is wrong, and what to do. Pure: no files, sockets,
clocks.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from enum import StrEnum
from urllib.parse import urlsplit

import msgspec

from mrmesos.client.doctor.facts import (
    AgentFacts,
    Answer,
    ClusterFacts,
    Facts,
    HereFacts,
    PlaceFacts,
    UriFacts,
)
from mrmesos.resources import mebibytes

CLOCK_SECONDS = 5.0
"""If clocks differ by more than this, times in logs and histories are useless. Requests still
work.
"""
DISK_LOW_MB, DISK_FULL_MB = 1024, 64
PYTHON_LEAST = (3, 11)


class Level(StrEnum):
    """How bad a finding is: fine, worth knowing, or jobs fail."""

    FINE = "ok"
    WARNING = "warning"
    WRONG = "wrong"


class Diagnosis(msgspec.Struct, frozen=True):
    """One line of the report: the check, the place, the finding, and the advice (empty if all is
    fine).
    """

    level: Level
    check: str
    where: str
    found: str
    remedy: str = ""


def judge(facts: Facts) -> list[Diagnosis]:
    """All findings. The findings about this machine come first."""
    found = list(_here(facts.here))
    if facts.cluster is not None:
        found += _cluster(facts.cluster, facts.here)
    return found


def _here(here: HereFacts) -> Iterator[Diagnosis]:
    where = "this machine"
    if _numbers(here.python) < PYTHON_LEAST:
        least = ".".join(map(str, PYTHON_LEAST))
        yield Diagnosis(
            Level.WRONG,
            "python",
            where,
            f"Python {here.python} ({here.executable})",
            f"install Python {least} or later, and mrmesos into it",
        )
    else:
        yield _fine("python", where, f"Python {here.python} ({here.executable})")
    yield _fine("version", where, f"mrmesos {here.mrmesos}")
    if not here.is_child_started:
        yield Diagnosis(
            Level.WRONG,
            "python",
            where,
            f"{here.executable} cannot import mrmesos in a process of its own: "
            f"{here.child_problem}",
            "install mrmesos into this Python (pip install), or leave out PYTHONPATH tricks",
        )
    for package in here.packages:
        if not package.found:
            yield Diagnosis(
                Level.WRONG,
                "version",
                where,
                f"{package.name} is not installed",
                f"pip install '{package.wanted}'",
            )
        elif not package.is_enough:
            yield Diagnosis(
                Level.WRONG,
                "version",
                where,
                f"{package.name} {package.found} is installed, but mrmesos needs {package.wanted}",
                f"pip install '{package.wanted}'",
            )
    for place in here.places:
        yield _place(place, where)
    for uri in here.uris:
        yield _uri(uri, where)


def _place(place: PlaceFacts, where: str) -> Diagnosis:
    if place.problem:
        return Diagnosis(
            Level.WRONG,
            "permission",
            where,
            f"{place.path} ({place.what}) cannot be written: {place.problem}",
            "give it to your user (chown, chmod), or name another directory",
        )
    return _disk(place.path, place.what, place.free_mb, where)


def _disk(path: str, what: str, free_mb: int, where: str) -> Diagnosis:
    said = f"{path} ({what}) has {mebibytes(free_mb)} free"
    remedy = "remove files there, or let TMPDIR or Mesos' --work_dir name a larger disk"
    if free_mb < DISK_FULL_MB:
        return Diagnosis(Level.WRONG, "disk", where, said, remedy)
    if free_mb < DISK_LOW_MB:
        return Diagnosis(Level.WARNING, "disk", where, said, remedy)
    return _fine("disk", where, said)


def _uri(uri: UriFacts, where: str) -> Diagnosis:
    if uri.driver:
        return Diagnosis(
            Level.WRONG,
            "driver",
            where,
            f"{uri.uri} needs {uri.driver}, which is not installed",
            f"pip install '{uri.driver}' there, or send it in the package of `mrmesos pack -r`",
        )
    if uri.problem:
        return Diagnosis(
            Level.WRONG,
            "storage",
            where,
            f"{uri.uri} cannot be opened: {uri.problem}",
            "check the URI, the credentials and the way to the store from there",
        )
    return _fine("storage", where, f"{uri.uri} can be opened")


def _cluster(cluster: ClusterFacts, here: HereFacts) -> Iterator[Diagnosis]:
    if cluster.master is not None:
        yield from _answer(cluster.master, "Mesos master", "--master")
    if cluster.jobtracker is not None:
        yield from _token(here)
        yield from _answer(cluster.jobtracker, "JobTracker", "--jobtracker")
        yield from _older(cluster.jobtracker, here)
    if cluster.unreachable_agents:
        yield Diagnosis(
            Level.WARNING,
            "agent",
            "Mesos master",
            f"the master has lost its connection to {cluster.unreachable_agents} agents",
            "start mesos-agent there again, or look at the network between master and agents",
        )
    reached = (cluster.master or cluster.jobtracker or Answer(url="")).problem == ""
    if cluster.master is not None and reached and not cluster.agents:
        yield Diagnosis(
            Level.WRONG,
            "agent",
            "Mesos master",
            "the master has no agents, so no job can run",
            "start mesos-agent on some host with this master's address",
        )
    for agent in cluster.agents:
        yield from _agent(agent, cluster, here)


_REMEDIES = {
    "dns": "correct the host name in {option}, or add it to DNS or /etc/hosts",
    "refused": "start the {what} there, or correct the port in {option}; a firewall may close it",
    "silent": "check that the host is up and that no firewall drops the port",
    "denied": "copy the token of the JobTracker's owner (~/.mrmesos/token on its host), and name "
    "the file with token_file in mrmesos.toml or MRMESOS_TOKEN_FILE",
    "strange": "correct {option}: another program answers there",
}


def _answer(answer: Answer, what: str, option: str) -> Iterator[Diagnosis]:
    where = f"{what} {answer.url}"
    if answer.problem:
        remedy = _REMEDIES[answer.kind].format(what=what, option=option)
        check = {"dns": "dns", "denied": "token"}.get(answer.kind, "port")
        yield Diagnosis(Level.WRONG, check, where, answer.problem, remedy)
    else:
        yield _fine("port", where, f"answers, version {answer.version or 'unknown'}")
    if answer.ahead_seconds is not None:
        yield _clock(answer.ahead_seconds, where, "this machine's")


def _clock(ahead: float, where: str, other: str) -> Diagnosis:
    if abs(ahead) <= CLOCK_SECONDS:
        return _fine("clock", where, f"its clock and {other} agree")
    way = "ahead of" if ahead > 0 else "behind"
    return Diagnosis(
        Level.WRONG,
        "clock",
        where,
        f"its clock is {abs(ahead):,.0f} s {way} {other}",
        "let both hosts take their time from NTP (timedatectl set-ntp true)",
    )


def _token(here: HereFacts) -> Iterator[Diagnosis]:
    token, where = here.token, "this machine"
    if token.problem:
        yield Diagnosis(
            Level.WRONG,
            "owner",
            where,
            token.problem,
            f"chown $(id -un) {token.where} && chmod 600 {token.where}",
        )
    elif not token.is_there:
        yield Diagnosis(
            Level.WRONG,
            "token",
            where,
            f"there is no token of a JobTracker in {token.where}",
            _REMEDIES["denied"],
        )
    else:
        yield _fine("token", where, f"the token in {token.where} can be read")


def _older(answer: Answer, here: HereFacts) -> Iterator[Diagnosis]:
    if answer.version and answer.version != here.mrmesos:
        yield Diagnosis(
            Level.WRONG,
            "version",
            f"JobTracker {answer.url}",
            f"it runs mrmesos {answer.version}, and this machine {here.mrmesos}",
            f"install mrmesos {max(answer.version, here.mrmesos, key=_numbers)} on both",
        )


def _agent(agent: AgentFacts, cluster: ClusterFacts, here: HereFacts) -> Iterator[Diagnosis]:
    where = f"agent {agent.hostname}"
    if not agent.is_active:
        yield Diagnosis(
            Level.WRONG,
            "agent",
            where,
            "the master does not offer it (deactivated, or not connected)",
            "start mesos-agent there again, or end its maintenance",
        )
    if agent.problem:
        dns = agent.kind == "dns"
        yield Diagnosis(
            Level.WARNING if agent.probe is not None else Level.WRONG,
            "dns" if dns else "agent",
            where,
            f"{agent.address} cannot be reached from here: {agent.problem}",
            "let the host's name be known here, or start the agent with --hostname=ADDRESS"
            if dns
            else "look at the host, its firewall, and the address that mesos-agent listens on "
            "(--ip); logs of tasks come from there",
        )
    else:
        yield _fine("agent", where, f"{agent.address or agent.hostname} is known to the master")
    if _is_loopback(urlsplit(cluster.jobtracker_url).hostname or "") and not _is_loopback(
        agent.address.partition(":")[0] or agent.hostname
    ):
        yield Diagnosis(
            Level.WRONG,
            "agent",
            where,
            f"TaskTrackers there would look for the JobTracker at {cluster.jobtracker_url}, which "
            "is the agent itself",
            "let the JobTracker listen on an address that agents reach: --host ADDRESS",
        )
    if agent.probe_problem:
        yield _probe_failed(agent, where)
    if agent.probe is not None:
        yield from _probed(agent, here, where)
    if agent.log_problem:
        yield Diagnosis(
            Level.WRONG,
            "agent",
            where,
            f"the JobTracker cannot read logs of tasks there: {agent.log_problem}",
            "open the TaskTrackers' ports between the JobTracker and the agents",
        )


def _probe_failed(agent: AgentFacts, where: str) -> Diagnosis:
    problem = agent.probe_problem
    no_python = any(
        words in problem for words in ("status 127", "status 126", "No module named", "status 69")
    )
    other = "pickled" in problem or "Python" in problem
    if no_python or other:
        return Diagnosis(
            Level.WRONG,
            "python",
            where,
            f"a job cannot run there: {problem}",
            "install the same Python and mrmesos there at the same path, or set "
            "tasktracker.command, or send all with `mrmesos pack` and tasktracker.package",
        )
    return Diagnosis(
        Level.WRONG,
        "agent",
        where,
        f"a job cannot run there: {problem}",
        "read the TaskTracker's stderr in its Mesos sandbox; check that the agent reaches the "
        "JobTracker and offers enough CPUs and memory",
    )


def _probed(agent: AgentFacts, here: HereFacts, where: str) -> Iterator[Diagnosis]:
    probe = agent.probe
    assert probe is not None
    if _numbers(probe.python)[:2] != _numbers(here.python)[:2]:
        yield Diagnosis(
            Level.WRONG,
            "python",
            where,
            f"Python {probe.python} ({probe.executable}), but jobs from here need "
            f"{here.python.rpartition('.')[0]}",
            "install the same Python there, or submit from the same one",
        )
    else:
        yield _fine("python", where, f"Python {probe.python} ({probe.executable})")
    if probe.mrmesos != here.mrmesos:
        yield Diagnosis(
            Level.WRONG,
            "version",
            where,
            f"mrmesos {probe.mrmesos} is installed there, and {here.mrmesos} here",
            f"install mrmesos {max(probe.mrmesos, here.mrmesos, key=_numbers)} there and here",
        )
    else:
        yield _fine("version", where, f"mrmesos {probe.mrmesos}")
    late, early = probe.time - agent.probe_ended, agent.probe_started - probe.time
    yield _clock(late if late > 0 else -max(0.0, early), where, "the JobTracker's")
    for path, free_mb in probe.free_mb.items():
        yield _disk(path, "of its tasks", free_mb, where)
    for uri in probe.uris:
        yield _uri(uri, where)


def _fine(check: str, where: str, found: str) -> Diagnosis:
    return Diagnosis(Level.FINE, check, where, found)


def _numbers(version: str) -> tuple[int, ...]:
    """`3.11.7` as numbers, up to the first part that is no number."""
    found = []
    for part in version.split("."):
        digits = "".join(c for c in part if c.isdigit())
        if not digits:
            break
        found.append(int(digits))
    return tuple(found)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
