"""`mrmesos pack`: packs all that a TaskTracker needs into an archive. Agents run from it."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("pack")
@click.option(
    "-r",
    "--requirements",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A pip requirements file of other packages that jobs import; may be given several times.",
)
@click.option(
    "-o",
    "--output",
    default="mrmesos-package.tar.gz",
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The archive to write (.tar.gz, .tgz).",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def pack(requirements: tuple[Path, ...], output: Path, as_json: bool) -> None:
    """Pack the installed mrmesos, and packages that jobs import, for agents without them.

    Agents need only a Python of the same version. Give the archive to the JobTracker with
    -D tasktracker.package=URI.
    """
    from mrmesos.client.code.packing import pack_environment, soabi
    from mrmesos.client.terminal.errors import UsageProblem
    from mrmesos.client.terminal.tables import print_json
    from mrmesos.wire.job import running_python

    if not output.name.endswith((".tar.gz", ".tgz")):
        raise UsageProblem(f"-o {output}: the name must end in .tar.gz or .tgz for Mesos' fetcher")
    if not output.parent.is_dir():
        raise UsageProblem(f"-o {output}: no such directory")
    packed = pack_environment(output, requirements)
    if as_json:
        print_json(
            {
                "file": str(output),
                "bytes": output.stat().st_size,
                "distributions": packed.distributions,
                "unpacked_bytes": packed.unpacked_bytes,
                "python": running_python(),
                "soabi": soabi(),
            }
        )
        return
    click.echo(
        f"{output}: {packed.distributions} distributions, {output.stat().st_size >> 20} MiB "
        f"({packed.unpacked_bytes >> 20} unpacked), for Python {running_python()} ({soabi()})"
    )
