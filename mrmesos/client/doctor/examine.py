"""One run of `mrmesos doctor`: gathers all facts, and ends what it has started."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import msgspec

from mrmesos.client.access import open_client, pickle_key, trusted
from mrmesos.client.api_client import ApiProblem, JobTrackerClient, Unreachable
from mrmesos.client.doctor.cluster import Probing, agents_of, ask, master_url, probe_agents
from mrmesos.client.doctor.facts import Answer, ClusterFacts, Facts
from mrmesos.client.doctor.here import gather_here
from mrmesos.client.terminal.errors import UsageProblem, reason
from mrmesos.conf import Conf
from mrmesos.election.place import SCHEME

ASK_SECONDS = 3.0
STOP_SECONDS = 10.0


def examine(
    conf: Conf,
    service: Conf,
    *,
    master: str,
    jobtracker: str,
    uris: Sequence[str],
    probe_seconds: float,
    tell: Callable[[str], None],
) -> Facts:
    """Gather the facts. `probe_seconds` 0: no job runs on agents. Raises UsageProblem."""
    tell("looking at this machine")
    here = gather_here(conf, uris)
    if not master and not jobtracker:
        return Facts(here)
    found = ClusterFacts()
    state = None
    if master:
        tell(f"asking the master {master}")
        try:
            url = master_url(master)
        except ValueError as problem:
            raise UsageProblem(f"--master: {problem}") from None
        answer, _ = ask(url)
        if not answer.problem:
            _, state = ask(url, "/state")
        agents, lost = agents_of(state) if state else ([], 0)
        found = msgspec.structs.replace(
            found, master=answer, agents=tuple(agents), unreachable_agents=lost
        )
    if jobtracker:
        tell(f"asking the JobTracker {jobtracker}")
        found = msgspec.structs.replace(found, jobtracker=_jobtracker(jobtracker, conf))
    reached = not (found.jobtracker or found.master or Answer(url="")).problem
    if probe_seconds and reached and (jobtracker or found.agents):
        with contextlib.ExitStack() as stack:
            if jobtracker:
                client = open_client(jobtracker, conf, retry_seconds=ASK_SECONDS)
            else:
                client = stack.enter_context(_own_jobtracker(conf, service, master))
            stack.callback(client.close)
            tell(f"running a small job on {len(found.agents) or 'any'} agents")
            probing = Probing(client, uris, probe_seconds)
            found = msgspec.structs.replace(
                found,
                agents=tuple(probe_agents(probing, found.agents)),
                is_probed=True,
                jobtracker_url=client.url,
            )
    return Facts(here, found)


def _jobtracker(url: str, conf: Conf) -> Answer:
    """Whether the JobTracker answers, and accepts our token."""
    answer = Answer(url=url)
    if not url.startswith(SCHEME):
        answer, _ = ask(url)
        if answer.kind in ("dns", "refused", "silent"):
            return answer
    try:
        client = open_client(url, conf, retry_seconds=ASK_SECONDS)
    except UsageProblem as problem:  # the token's file is wrong; it has a finding of its own
        return Answer(url=url, problem=problem.message, kind="denied")
    try:
        client.service_status()
    except ApiProblem as problem:
        kind = "denied" if problem.status in (401, 403) else "strange"
        return Answer(url=url, problem=str(problem), kind=kind, ahead_seconds=answer.ahead_seconds)
    except Unreachable as problem:
        return Answer(url=url, problem=str(problem), kind="strange")
    finally:
        client.close()
    return Answer(url=url, version=answer.version, ahead_seconds=answer.ahead_seconds)


@contextlib.contextmanager
def _own_jobtracker(conf: Conf, service: Conf, master: str) -> Iterator[JobTrackerClient]:
    """A JobTracker on the master for the time of the probe, as `submit --master` starts one."""
    from mrmesos.jobtracker.http.server import AddressError
    from mrmesos.jobtracker.service import JobTrackerService

    try:
        own = JobTrackerService(service, master, pickle_key=pickle_key("", conf))
        url = own.start()
    except (AddressError, ValueError, OSError) as problem:
        raise UsageProblem(reason(problem)) from problem
    try:
        tls = trusted(conf) if url.startswith("https:") else None
        yield JobTrackerClient(url, token=own.token, tls=tls, retry_seconds=1.0)
    finally:
        own.stop(timeout=STOP_SECONDS)
        own.remove_leftovers()
