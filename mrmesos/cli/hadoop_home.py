"""`mrmesos hadoop-home`: a folder with a `hadoop` command that runs jobs on mrmesos."""

from __future__ import annotations

from pathlib import Path

import click

from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.hadoop.home import hadoop_home as write_home


@click.command("hadoop-home")
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the folder there.  [default: ~/.cache/mrmesos/hadoop]",
)
def hadoop_home(directory: Path | None) -> None:
    """Write a folder in the shape of HADOOP_HOME and print its path.

    Programs that call `hadoop` then use mrmesos: export HADOOP_HOME=$(mrmesos hadoop-home)
    """
    try:
        home = write_home(directory)
    except OSError as problem:
        raise UsageProblem(f"{problem.filename}: {problem.strerror}") from problem
    click.echo(str(home))
