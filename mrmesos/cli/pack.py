"""`mrmesos pack`: what a TaskTracker needs, in an archive that agents unpack and run from."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("pack")
@click.option(
    "-r",
    "--requirements",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What jobs import beside mrmesos, for pip; may be given several times.",
)
@click.option(
    "-o",
    "--output",
    default="mrmesos-package.tar.gz",
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The archive (.tar.gz, .tgz).",
)
def pack(requirements: tuple[Path, ...], output: Path) -> None:
    """Pack mrmesos as it is installed here, and requirements of jobs, for agents without it.

    Agents need a Python of the same version only. Name the archive to the JobTracker with
    -D tasktracker.package=URI.
    """
    from mrmesos.client.code.packing import pack_environment, soabi
    from mrmesos.client.terminal.errors import UsageProblem
    from mrmesos.wire.job import running_python

    if not output.name.endswith((".tar.gz", ".tgz")):
        raise UsageProblem(f"-o {output}: Mesos' fetcher unpacks what ends in .tar.gz or .tgz")
    if not output.parent.is_dir():
        raise UsageProblem(f"-o {output}: no such directory")
    packed = pack_environment(output, requirements)
    click.echo(
        f"{output}: {packed.distributions} distributions, {output.stat().st_size >> 20} MiB "
        f"({packed.unpacked_bytes >> 20} unpacked), for Python {running_python()} ({soabi()})"
    )
