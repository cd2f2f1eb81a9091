"""`mrmesos doctor`: looks for what is wrong with this machine and a cluster."""

from __future__ import annotations

import logging
import sys

import click

from mrmesos.client.config.configuration import read_configuration
from mrmesos.client.config.option import profile_option
from mrmesos.client.terminal.printable import printable
from mrmesos.client.terminal.tables import print_json

_SIGNS = {"ok": "ok     ", "warning": "warning", "wrong": "WRONG  "}


@click.command()
@click.option("--master", default="", metavar="URL", help="Look at this Mesos master's cluster.")
@click.option("--jobtracker", default="", metavar="URL", help="Look at this JobTracker's cluster.")
@profile_option
@click.option(
    "--uri",
    "uris",
    multiple=True,
    metavar="URI",
    help="Also check that this URI can be opened, here and on agents: hdfs://…, s3://…",
)
@click.option(
    "--probe/--no-probe",
    default=True,
    help="Run a small job on each agent, to see its Python, clock and disks.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(1.0, 3600.0),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long the jobs on agents may take.",
)
@click.option("--all", "everything", is_flag=True, help="Also print what is fine.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(
    master: str,
    jobtracker: str,
    profile: str,
    uris: tuple[str, ...],
    probe: bool,
    timeout: float,
    everything: bool,
    as_json: bool,
) -> None:
    """Look for what is wrong with this machine and a cluster, and say what to do.

    Without --master and --jobtracker it looks at the cluster that mrmesos.toml or the variables
    name, if any. With both, the JobTracker runs the jobs, and the master names the agents.

    Exit code 0: nothing is wrong. 1: something is.
    """
    from mrmesos.client.doctor.examine import examine
    from mrmesos.client.doctor.judge import Level, judge

    configuration = read_configuration(profile)
    logging.basicConfig(level=logging.CRITICAL)
    for warning in configuration.warnings:
        click.echo(f"warning: {warning}", err=True)
    if not master and not jobtracker:
        named = configuration.cluster
        jobtracker = named.jobtracker
        master = named.master or (configuration.master.text if jobtracker else "")
    facts = examine(
        configuration.layers.for_client(),
        configuration.layers.for_jobtracker(),
        master=master,
        jobtracker=jobtracker,
        uris=uris,
        probe_seconds=timeout if probe else 0.0,
        tell=lambda words: click.echo(f"{words} …", err=True),
    )
    findings = judge(facts)
    wrong = sum(each.level is Level.WRONG for each in findings)
    if as_json:
        print_json({"findings": findings, "facts": facts})
    else:
        for each in findings:
            if each.level is Level.FINE and not everything:
                continue
            click.echo(printable(f"{_SIGNS[each.level]}  {each.check:<10} {each.where}"))
            click.echo(printable(f"         {each.found}"))
            if each.remedy:
                click.echo(printable(f"         -> {each.remedy}"))
        fine = sum(each.level is Level.FINE for each in findings)
        end = f"{len(findings)} checks: {fine} fine, {wrong} wrong"
        click.echo(end if everything else f"{end}; --all shows those that are fine", err=True)
    sys.exit(1 if wrong else 0)
