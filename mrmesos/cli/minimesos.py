"""`mrmesos minimesos`: runs a small Mesos on this machine until it is stopped."""

from __future__ import annotations

import os
import pwd
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mrmesos.ending import ended_by_interrupts

if TYPE_CHECKING:
    from mrmesos.minimesos.agent.prepared import Prepared, Reaper
    from mrmesos.minimesos.http.server import AgentSpec, MiniMesosConfig

LATER_VARIABLES = (
    *("MESOS_", "LIBPROCESS_", "MRMESOS_CONF", "MRMESOS_JOBTRACKER"),
    *("MRMESOS_PRESTART", "MRMESOS_TRACKER_ID"),
)
"""Variables that a TaskTracker reads after its launch."""
DEFAULT_PORTS = "[31000-32000]"


def machine_resources(agents: int, work_dir: Path) -> dict[str, str]:
    """The resources that Mesos' agent would find on this machine, divided by `agents`."""
    from mrmesos.client.machine import machine_size

    size = machine_size(agents, work_dir)
    return {
        "cpus": f"{size.cpus:.3f}",
        "mem": str(size.mem),
        "disk": str(size.disk),
        "ports": DEFAULT_PORTS,
    }


def complete_resources(text: str, defaults: dict[str, str]) -> str:
    """Add default values for resources that are not named, as Mesos' agent does."""
    from mrmesos.minimesos.model.resources import parse

    named = {bucket.name for bucket, _ in parse(text)}
    if text.lstrip().startswith("["):
        return text
    # `gpus:0` names gpus, although `parse` drops it: it must not get the default.
    named |= {part.partition(":")[0].partition("(")[0].strip() for part in text.split(";")}
    rest = [f"{name}:{value}" for name, value in defaults.items() if name not in named]
    return ";".join(filter(None, [text.strip().rstrip(";"), *rest]))


def parse_weights(text: str) -> dict[str, float]:
    """Read `role=2,other=0.5`. Raises `ValueError`."""
    weights: dict[str, float] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        role, equals, value = part.partition("=")
        try:
            weight = float(value) if equals and role.strip() else -1.0
        except ValueError:
            weight = -1.0
        if not 0 < weight < float("inf"):
            raise ValueError(f"'{part}' is not ROLE=WEIGHT with a weight above 0")
        weights[role.strip()] = weight
    return weights


@click.command("minimesos", short_help="Run a small Mesos on this machine.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=5050,
    show_default=True,
    help="Port of the master; 0 means any free port.",
)
@click.option(
    "--agents",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Number of agents. Each gets an equal part of the machine, unless --resources is given.",
)
@click.option(
    "--resources",
    multiple=True,
    metavar="TEXT",
    help="Resources of each agent in Mesos' syntax, e.g. 'cpus:2;mem:4096;cpus(mr):1'. If given "
    "several times, the agents take the values in turn. Resources that are not named come from the "
    "machine.",
)
@click.option(
    "--attributes",
    multiple=True,
    metavar="TEXT",
    help="Attributes of each agent, e.g. 'rack:r1;zone:z'. If given several times, the agents take "
    "the values in turn.",
)
@click.option(
    "--hostname",
    default=None,
    metavar="PATTERN",
    help="Host name of the agents; {n} is replaced by the agent's number.  [default: the agent's "
    "address in --agent-addresses, or this host's name]",
)
@click.option(
    "--agent-addresses",
    default="",
    metavar="ADDRESS,…",
    help="One address of this machine for each agent, e.g. 127.0.0.2,127.0.0.3 on Linux, so that "
    "agents look like hosts. Agents and their TaskTrackers listen there and connect from there.  "
    "[default: --host]",
)
@click.option(
    "--allocation-interval",
    type=click.FloatRange(0.01, 3600),
    default=1.0,
    show_default=True,
    help="Seconds between two rounds of offers.",
)
@click.option(
    "--weights",
    default="",
    metavar="ROLE=W,…",
    help="Weights of roles: a larger weight gets a larger share.",
)
@click.option(
    "--work-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Directory for sandboxes.  [default: a temporary directory that is removed at the end]",
)
@click.option(
    "--keep-failed",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    metavar="DIR",
    help="Keep stdout and stderr of failed executors in this directory (at most 20 executors).",
)
@click.option(
    "--credentials",
    "credentials_file",
    default=None,
    metavar="FILE",
    help="Require authentication. FILE has principals and secrets in Mesos' format and must be "
    "readable only by its owner; fd:N reads an open descriptor. Executors then get tokens.  "
    "[default: anyone who can reach the port can run commands]",
)
@click.option(
    "--allow-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    help="One more host name by which clients reach it, e.g. that of a proxy; may be given several "
    "times. Requests for other host names are refused, so that web pages cannot send them.",
)
@click.option(
    "--announce",
    default=None,
    metavar="FILE",
    help="Write the master's URL to this file, or to the open descriptor fd:N, when it is ready.",
)
@click.option("--prepare-tasktracker", is_flag=True, hidden=True)
@click.option(
    "--exit-with-stdin",
    is_flag=True,
    help="Stop when standard input closes. So it also ends when its parent process dies.",
)
@ended_by_interrupts()
def minimesos(
    host: str,
    port: int,
    agents: int,
    resources: tuple[str, ...],
    attributes: tuple[str, ...],
    hostname: str | None,
    agent_addresses: str,
    allocation_interval: float,
    weights: str,
    work_dir: Path | None,
    keep_failed: Path | None,
    credentials_file: str | None,
    allowed_hosts: tuple[str, ...],
    announce: str | None,
    exit_with_stdin: bool,
    prepare_tasktracker: bool,
) -> None:
    """Run a Mesos master and agents on this machine until Ctrl-C or SIGTERM.

    Any Mesos framework can use it at http://HOST:PORT.
    """
    import logging
    import secrets
    import tempfile

    # `serve` makes it, and handles signals. A signal that comes before then leaves none behind.
    place = work_dir or Path(tempfile.gettempdir()) / f"minimesos-{secrets.token_hex(8)}"
    prepared = prepared_tracker(place) if prepare_tasktracker else None
    reaper = forked_reaper()

    from mrmesos.minimesos.http.server import MiniMesosConfig

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    try:
        credentials = read_credentials(credentials_file) if credentials_file else {}
        if work_dir is not None:
            work_dir.mkdir(parents=True, exist_ok=True)
        disk = work_dir or place.parent
        config = MiniMesosConfig(
            work_dir=place,
            host=host,
            port=port,
            agents=agent_specs(agents, resources, attributes, hostname, disk, agent_addresses),
            allocation_interval=allocation_interval,
            weights=parse_weights(weights),
            remove_work_dir=work_dir is None,
            keep_failed=keep_failed,
            allowed_hosts=allowed_hosts,
            credentials=credentials,
        )
        _run(config, announce, exit_with_stdin, prepared, reaper)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        number = error.errno or 0
        # leaves asyncio's long text out
        why = os.strerror(number) if number > 0 else error.strerror
        where = f"{host}:{port}" + (f" and {agent_addresses}" if agent_addresses else "")
        raise click.UsageError(f"cannot serve on {where}: {why}") from None


def prepared_tracker(work_dir: Path) -> Prepared | None:
    """A TaskTracker that is started now, in a fork, and waits for its launch."""
    from mrmesos.access import guard  # noqa: F401 (both need it: so aiohttp is imported once)
    from mrmesos.forking import Forked, may_fork
    from mrmesos.minimesos.agent.prepared import Prepared
    from mrmesos.tasktracker.waiting import LAUNCH_MAX_BYTES, launch, wait_for_launch
    from mrmesos.wire.tracker_command import tracker_shell

    if not may_fork():
        return None
    sandbox = work_dir / "prepared"
    environment = os.environ | {"MESOS_SANDBOX": str(sandbox)}
    try:
        process = Forked(
            wait_for_launch, name="tasktracker", output=2, keep=(), environment=environment
        )
    except OSError:  # no process can be started now; the launch will say so
        return None
    return Prepared(
        process, tracker_shell(sys.executable), sandbox, launch, LAUNCH_MAX_BYTES, LATER_VARIABLES
    )


def forked_reaper() -> Reaper | None:
    """A reaper that is a fork of this process. None: minimesos has to start an interpreter."""
    from mrmesos.forking import Forked, may_fork
    from mrmesos.minimesos.agent import reaper

    def run() -> None:
        reaper.main()
        os._exit(0)

    if not may_fork():
        return None
    try:
        return Forked(run, name="reaper", output=2, keep=(), environment=os.environ)
    except OSError:  # minimesos tries again, and says so
        return None


def agent_specs(
    agents: int,
    resources: tuple[str, ...],
    attributes: tuple[str, ...],
    hostname: str | None,
    work_dir: Path,
    addresses: str = "",
) -> tuple[AgentSpec, ...]:
    """Build the specification of each agent from the options. Raises `ValueError`."""
    from mrmesos.minimesos.http.server import AgentSpec
    from mrmesos.minimesos.model.resources import parse_attributes

    for name, given in (("--resources", resources), ("--attributes", attributes)):
        if len(given) > agents:
            raise ValueError(f"{name} is given {len(given)} times for --agents {agents}")
    hosts = [host.strip() for host in addresses.split(",")] if addresses else [""] * agents
    if len(hosts) != agents or (addresses and not all(hosts)):
        raise ValueError(f"--agent-addresses has {len(hosts)} addresses for --agents {agents}")
    defaults = machine_resources(agents, work_dir)
    specs = []
    for number in range(agents):
        text = resources[number % len(resources)] if resources else ""
        labels = attributes[number % len(attributes)] if attributes else ""
        parse_attributes(labels)
        name = hostname or hosts[number] or os.uname().nodename
        name = name.replace("{n}", str(number))
        specs.append(AgentSpec(name, complete_resources(text, defaults), labels, hosts[number]))
    return tuple(specs)


def read_credentials(where: str) -> dict[str, str]:
    """Read secrets by principal from a file or an open descriptor `fd:N`. Raises `ValueError`."""
    from mrmesos.minimesos.http.authentication import parse_credentials

    if where.startswith("fd:"):
        try:
            with os.fdopen(int(where[3:]), encoding="utf-8") as file:
                text = file.read()
        except (OSError, ValueError) as error:
            raise ValueError(f"--credentials {where}: {error}") from None
    else:
        from mrmesos.access.tokens import private_text

        text = private_text(Path(where))
    try:
        return parse_credentials(text)
    except ValueError as error:
        raise ValueError(f"--credentials {where}: {error}") from None


def who_may(config: MiniMesosConfig) -> str:
    """A text that says who can run commands here. It is printed at the start."""
    user = _user()
    if config.credentials:
        return f"anyone with a secret of --credentials can run commands as {user}"
    hosts = {config.host, *(agent.host for agent in config.agents if agent.host)}
    local = all(host in ("localhost", "::1") or host.startswith("127.") for host in hosts)
    who = "every user of this machine" if local else "everyone who can reach these ports"
    return f"{who} can run commands as {user} (--credentials FILE to change that)"


def _user() -> str:
    """The user as which commands run. Root can also run them as other users."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user {os.geteuid()}"


def _run(
    config: MiniMesosConfig,
    announce: str | None,
    exit_with_stdin: bool,
    prepared: Prepared | None,
    reaper: Reaper | None,
) -> None:
    """Run until the end. Raises `OSError` if the port cannot be opened."""
    import asyncio

    from mrmesos.ending import LastCall
    from mrmesos.minimesos.http.server import serve

    def ready(url: str) -> None:
        try:
            _announce(announce, url)
        except OSError as error:
            raise ValueError(f"cannot announce to {announce}: {error.strerror}") from None
        count = len(config.agents)
        click.echo(
            f"minimesos serves {url} with {count} agent{'s'[: count != 1]}; {who_may(config)}",
            err=True,
        )

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def read_stdin() -> None:
            if not os.read(sys.stdin.fileno(), 4096):
                loop.remove_reader(sys.stdin.fileno())
                stop.set()

        if exit_with_stdin:
            try:
                loop.add_reader(sys.stdin.fileno(), read_stdin)
            except OSError:  # a file, or /dev/null
                raise ValueError("--exit-with-stdin needs a pipe as standard input") from None
        await serve(config, ready, stop, LastCall().signalled, prepared, reaper)

    asyncio.run(run())


def _announce(where: str | None, url: str) -> None:
    """Write the URL for a parent process, in one piece."""
    if where is None:
        return
    if where.startswith("fd:"):
        os.write(int(where[3:]), f"{url}\n".encode())
        os.close(int(where[3:]))
        return
    target = Path(where)
    partial = target.with_name(f"{target.name}.{os.getpid()}")
    partial.write_text(f"{url}\n", encoding="utf-8")
    partial.replace(target)
