"""`mrmesos submit`: runs one job or chain and shows its result."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import click

from mrmesos.client.code.target import parse_target
from mrmesos.client.completion import assignments as assignments_begun
from mrmesos.client.config.configuration import read_configuration, where_to_run
from mrmesos.client.config.option import profile_option
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.client.terminal.tables import print_json
from mrmesos.conf import JOB_FAIL_IF_IMPOSSIBLE, OUTPUT_OVERWRITE


@click.command(context_settings={"ignore_unknown_options": False})
@click.argument("script")
@click.option(
    "--class",
    "class_name",
    metavar="NAME",
    help="Name of the class, if SCRIPT has several jobs or chains.",
)
@click.option(
    "--input",
    "inputs",
    multiple=True,
    required=True,
    metavar="[NAME=]URI",
    help="A file, directory or glob, or - for standard input; may be given several times. NAME is "
    "for jobs with several named inputs.",
)
@click.option(
    "--output", required=True, metavar="URI", help="Directory of the output; it must not exist."
)
@click.option(
    "--overwrite",
    is_flag=True,
    help="Replace a finished output in this directory when the job has succeeded.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="For a chain: do not run steps again that an earlier run with this output has finished.",
)
@click.option(
    "--fail-if-impossible",
    is_flag=True,
    help="Fail if no agent that Mesos has offered so far could run a task, instead of waiting.",
)
@click.option(
    "--py-files",
    multiple=True,
    metavar="PATH,…",
    help="Modules for tasks to import: .py, .zip, .whl. Modules beside SCRIPT are sent without it.",
)
@click.option(
    "--files",
    multiple=True,
    metavar="PATH[#NAME],…",
    help="Files that tasks read; self.context.cached(NAME) is the path.",
)
@click.option(
    "--archives",
    multiple=True,
    metavar="PATH[#NAME],…",
    help="Like --files, for zip and tar archives: cached(NAME) is a directory with the contents.",
)
@click.option(
    "-D",
    "assignments",
    multiple=True,
    metavar="NAME=VALUE",
    shell_complete=assignments_begun,
    help="Set a setting or parameter.",
)
@click.option(
    "--master",
    default="",
    metavar="URL",
    help="Run the job on Mesos. The master's URL: http://host:port, zk://…",
)
@click.option(
    "--jobtracker",
    default="",
    metavar="URL",
    help="Run the job on a running `mrmesos jobtracker`. Its URL, or zk://…",
)
@click.option(
    "--local",
    is_flag=True,
    help="Run the job on this machine, even if mrmesos.toml or a variable names a cluster.",
)
@profile_option
@click.option(
    "--detach",
    is_flag=True,
    help="With --jobtracker: print the id and do not wait for its end.",
)
@click.option(
    "--local-agents",
    type=click.IntRange(1, 100),
    help="Number of agents on this machine, without --master and --jobtracker.  [default: 1]",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Run nothing. Print the plan: splits, reduces, formats, settings, files that are sent.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print JSON on stdout: the plan of --dry-run, or the job's status at its end.",
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write all attempts, their hosts, and the counters to this file as JSON.",
)
@click.option(
    "--preview",
    type=click.IntRange(min=1),
    metavar="N",
    help="When the job has succeeded, show the first N records of its output.",
)
@click.option(
    "-q",
    "--quiet",
    is_flag=True,
    help="Show no progress, no counters and no last line: only errors and warnings.",
)
@click.option("--counters/--no-counters", default=True, help="Show the counters at the end.")
@click.option("-v", "--verbose", is_flag=True, help="Show the JobTracker's log.")
@click.argument("job_args", nargs=-1, type=click.UNPROCESSED)
def submit(
    script: str,
    class_name: str | None,
    inputs: tuple[str, ...],
    output: str,
    overwrite: bool,
    resume: bool,
    fail_if_impossible: bool,
    py_files: tuple[str, ...],
    files: tuple[str, ...],
    archives: tuple[str, ...],
    assignments: tuple[str, ...],
    master: str,
    jobtracker: str,
    local: bool,
    profile: str,
    detach: bool,
    local_agents: int | None,
    dry_run: bool,
    as_json: bool,
    report: Path | None,
    preview: int | None,
    quiet: bool,
    counters: bool,
    verbose: bool,
    job_args: tuple[str, ...],
) -> None:
    """Run the job or chain in SCRIPT (or SCRIPT:NAME). Arguments after `--` are for the job itself.

    Without --master and --jobtracker, the job runs where MRMESOS_JOBTRACKER_URL, MRMESOS_MASTER or
    mrmesos.toml say, else on this machine.

    All messages go to stderr. stdout gets only the output that you ask for: the records of
    --preview, the job's id of --detach, the plan of --dry-run, or the JSON of --json.

    Exit code 0: the job succeeded. 1: it failed. 2: you have to change the command; nothing ran.
    """
    if master and jobtracker:
        raise UsageProblem("--master and --jobtracker exclude each other")
    if not all(inputs) or not output:  # an empty path would be the current directory
        raise UsageProblem(f"--{'input' if output else 'output'} is empty; name a path or a URI")
    if local_agents and (master or jobtracker):
        raise UsageProblem("--local-agents is for runs without --master and --jobtracker")
    if local and (master or jobtracker):
        raise UsageProblem("--local excludes --master and --jobtracker")
    configuration = read_configuration(profile, assignments)
    cluster = where_to_run(
        configuration, master=master, jobtracker=jobtracker, local=local or bool(local_agents)
    )
    master, jobtracker = cluster.master, cluster.jobtracker
    if detach and not jobtracker:
        raise UsageProblem(
            "--detach needs --jobtracker: without it, the job ends with this command"
        )
    if resume and overwrite:
        raise UsageProblem("--resume and --overwrite exclude each other: one goes on, one begins")
    if quiet and verbose:
        raise UsageProblem("--quiet and --verbose exclude each other")
    if detach and report:
        raise UsageProblem("--report is written when the job ends, so --detach cannot have one")
    if as_json and (preview or detach):
        raise UsageProblem("--json, --preview and --detach each print on stdout; choose one")
    if detach and preview:
        raise UsageProblem("--preview waits for the job's end, so --detach cannot have one")
    site, overrides = configuration.layers.for_job()
    if overwrite:
        overrides = overrides.merged({OUTPUT_OVERWRITE.name: "true"})
    if fail_if_impossible:
        overrides = overrides.merged({JOB_FAIL_IF_IMPOSSIBLE.name: "true"})
    try:
        if jobtracker:
            from mrmesos.client.api_client import JobTrackerClient

            jobtracker = JobTrackerClient(jobtracker).url
    except ValueError as problem:
        raise UsageProblem(f"{cluster.origin}: {problem}") from None
    for warning in configuration.warnings:
        click.echo(f"warning: {warning}", err=True)
    if (master or jobtracker) and not cluster.origin.startswith("--") and not quiet:
        click.echo(f"cluster: {jobtracker or master} (from {cluster.origin})", err=True)
    if report is not None and not os.access(report.parent, os.W_OK | os.X_OK):
        raise UsageProblem(f"--report {report}: cannot write in {report.parent}")
    target = parse_target(script, class_name)
    cluster_here = None
    if not (master or jobtracker or dry_run):
        # As early as possible: what it starts imports while we import the rest.
        from mrmesos.client.local_cluster import forked_cluster

        cluster_here = forked_cluster(local_agents or 1)
    from mrmesos.client.code.inputs import absolute_uri
    from mrmesos.client.options import Options
    from mrmesos.client.submission import Submission

    options = Options(
        target=target,
        inputs=inputs,
        output=absolute_uri(output),
        overrides=overrides,
        master=master,
        jobtracker=jobtracker,
        detach=detach,
        local_agents=local_agents or 1,
        report=report,
        verbose=verbose,
        job_args=job_args,
        preview=preview or 0,
        quiet=quiet,
        counters=counters,
        files=files,
        archives=archives,
        py_files=py_files,
        resume=resume,
        as_json=as_json,
        site=site,
        client=configuration.layers.for_client(),
        service=configuration.layers.for_jobtracker(),
    )
    if dry_run:
        from mrmesos.client.dry_run import dry_run as planned
        from mrmesos.client.dry_run import plan_lines
        from mrmesos.client.terminal.printable import printable

        plans = planned(options, configuration.layers)
        if as_json:
            print_json(plans)
        else:
            click.echo(printable("\n".join(line for plan in plans for line in plan_lines(plan))))
        return
    logging.basicConfig(
        level=logging.INFO if verbose else logging.CRITICAL,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    sys.exit(Submission(options, cluster_here).run())
