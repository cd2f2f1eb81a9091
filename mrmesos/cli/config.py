"""`mrmesos config …`: the values of settings, their origin, and the files that have them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import click

from mrmesos.client.completion import setting_names
from mrmesos.client.config.configuration import Configuration, read_configuration
from mrmesos.client.config.option import profile_option
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.client.terminal.tables import print_json, print_table
from mrmesos.conf import SETTINGS
from mrmesos.conf.layers import DEFAULT, Given, Layer, layer_of
from mrmesos.conf.names import did_you_mean, misspelt_setting, variable_name


class Row(NamedTuple):
    """One line of `config show`."""

    name: str
    value: str
    origin: str


@click.group()
def config() -> None:
    """Show settings, and where each value comes from.

    A value comes from the strongest of these places: -D, variables MRMESOS_…, the job's class
    (`Job.conf`), mrmesos.toml, the default. There may be three files: the project's (in this
    directory or above it), ~/.config/mrmesos/mrmesos.toml, and /etc/mrmesos/mrmesos.toml. A profile
    is stronger than all of the files without it.
    """


@config.command()
@click.argument("names", nargs=-1, shell_complete=setting_names)
@click.option(
    "--job", "target", metavar="SCRIPT[:NAME]", help="Also the settings of this job's class."
)
@click.option("--all", "everything", is_flag=True, help="Also settings that have their default.")
@click.option(
    "-D", "assignments", multiple=True, metavar="NAME=VALUE", help="As for `mrmesos submit`."
)
@profile_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(
    names: tuple[str, ...],
    target: str | None,
    everything: bool,
    assignments: tuple[str, ...],
    profile: str,
    as_json: bool,
) -> None:
    """Show values and where they come from, for NAMES or for all settings that were given.

    Commands without an option that names a cluster go to `jobtracker` or `master`.
    """
    configuration = read_configuration(profile, assignments)
    rows = rows_of(configuration, _of_class(target) if target else {})
    _check_names(names, rows)
    for warning in configuration.warnings:
        click.echo(f"warning: {warning}", err=True)
    if names:
        rows = [row for row in rows if row.name in names]
    elif not everything:
        rows = [row for row in rows if row.origin != DEFAULT]
    if as_json:
        print_json([row._asdict() for row in rows])
        return
    if rows:
        print_table([("NAME", "VALUE", "FROM"), *rows])
    if not names and not everything:
        rest = "all settings have their defaults" if not rows else "other settings have defaults"
        click.echo(f"{rest}; --all shows them", err=True)


@config.command()
@profile_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def files(profile: str, as_json: bool) -> None:
    """List the files that are read, the weakest first."""
    found = [str(path) for path in read_configuration(profile).files]
    if as_json:
        print_json(found)
    elif found:
        click.echo("\n".join(found))
    else:
        click.echo("no mrmesos.toml here, above, in ~/.config/mrmesos or /etc/mrmesos", err=True)


@config.command()
def schema() -> None:
    """Print the JSON schema of mrmesos.toml, with which editors complete and check it."""
    from mrmesos.conf.schema import toml_schema

    print_json(toml_schema())


def rows_of(configuration: Configuration, own: Layer) -> list[Row]:
    """The cluster for commands, then all settings and parameters by name."""
    places = {"jobtracker": configuration.jobtracker, "master": configuration.master}
    rows = [Row(name, *given) for name, given in places.items()]
    given = configuration.layers.all(own)
    known = {name: Given(setting.default_text, DEFAULT) for name, setting in SETTINGS.items()}
    return rows + [Row(name, *each) for name, each in sorted({**known, **given}.items())]


def _of_class(target: str) -> Layer:
    """The settings of a job's or a chain's class."""
    from mrmesos.api.chain import Chain
    from mrmesos.api.job import Job, class_settings, setting_texts
    from mrmesos.client.code.find_class import find_class
    from mrmesos.client.code.script import ImportedScript
    from mrmesos.client.code.target import parse_target

    found = parse_target(target)
    cls = find_class(ImportedScript(found.script).module, found)
    origin = f"{Path(found.script).name}: {cls.__name__}.conf"
    if issubclass(cls, Job):
        return layer_of(class_settings(cls), origin)
    return layer_of(setting_texts(cls.conf) if issubclass(cls, Chain) else {}, origin)


def _check_names(names: tuple[str, ...], rows: list[Row]) -> None:
    known = {row.name for row in rows}
    for name in names:
        if name not in known:
            wrong = misspelt_setting(name, SETTINGS)
            wrong = wrong or f"{name} is not a setting of mrmesos{did_you_mean(name, known)}"
            raise UsageProblem(wrong)
    for name in names:
        if name in SETTINGS:
            click.echo(f"{name}: {SETTINGS[name].doc} Variable: {variable_name(name)}", err=True)
