"""The configuration of one command: files, a profile, variables, `-D`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from mrmesos.client.config.files import SYSTEM, found_files
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.conf import ConfError, parse_assignments
from mrmesos.conf.layers import (
    COMMAND_LINE,
    Given,
    Layers,
    check_profile,
    checked,
    layer_of,
    variables_layer,
)
from mrmesos.conf.toml_file import Table

DEFAULT_URL = "http://127.0.0.1:5055"
JOBTRACKER_VARIABLE, MASTER_VARIABLE = "MRMESOS_JOBTRACKER_URL", "MRMESOS_MASTER"
PROFILE_VARIABLE = "MRMESOS_PROFILE"
NOWHERE = Given("", "default")


class Clusters(msgspec.Struct, frozen=True):
    """The JobTracker and the master that one place names. Each may be empty."""

    jobtracker: str
    master: str
    origin: str


class Configuration(msgspec.Struct, frozen=True):
    """All values that were found, and the warnings about them. `places` has the strongest place
    first.
    """

    layers: Layers = msgspec.field(default_factory=Layers)
    places: tuple[Clusters, ...] = ()
    profile: str = ""
    files: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def jobtracker(self) -> Given:
        """The JobTracker that is named, for commands that need one; else the default."""
        for place in self.places:
            if place.jobtracker:
                return Given(place.jobtracker, place.origin)
        return Given(DEFAULT_URL, "default")

    @property
    def master(self) -> Given:
        """The master that is named, for a JobTracker; empty if none is."""
        for place in self.places:
            if place.master:
                return Given(place.master, place.origin)
        return NOWHERE

    @property
    def cluster(self) -> Clusters:
        """The cluster for `submit`: the strongest place that names a JobTracker or a master
        decides.

        If that place names both, the JobTracker counts.
        """
        for place in self.places:
            if place.jobtracker or place.master:
                master = "" if place.jobtracker else place.master
                return Clusters(place.jobtracker, master, place.origin)
        return Clusters("", "", "default")


def read_configuration(
    profile: str = "",
    assignments: Sequence[str] = (),
    *,
    environ: Mapping[str, str] | None = None,
    here: Path | None = None,
    system: Path = SYSTEM,
) -> Configuration:
    """Read everything. Raises UsageProblem, which names the place of the mistake."""
    environ = os.environ if environ is None else environ
    profile = profile or environ.get(PROFILE_VARIABLE, "")
    try:
        found = found_files(environ, _working_directory() if here is None else here, system)
        tables = [(str(each.path), each.top) for each in found]
        profiles = [
            (f"{each.path} [profile.{profile}]", each.profiles[profile])
            for each in found
            if profile in each.profiles
        ]
        check_profile(
            profile, {name: each for file in found for name, each in file.profiles.items()}
        )
        variables, warnings = variables_layer(environ)
        given = layer_of(parse_assignments(list(assignments)), COMMAND_LINE)
        below: dict[str, Given] = {}
        for origin, table in (*tables, *profiles):
            layer = layer_of(table.settings, origin)
            warnings += checked(layer)
            below |= layer
        warnings += checked(given)
    except ConfError as problem:
        raise UsageProblem(str(problem)) from None
    return Configuration(
        Layers(below, {**variables, **given}),
        (_of_variables(environ), *map(_place, reversed([*tables, *profiles]))),
        profile,
        tuple(each.path for each in found),
        tuple(warnings),
    )


def known_profiles() -> list[str]:
    """The names of all profiles. Raises UsageProblem."""
    try:
        files = found_files(os.environ, _working_directory())
    except ConfError as problem:
        raise UsageProblem(str(problem)) from None
    return sorted({name for each in files for name in each.profiles})


def _place(named: tuple[str, Table]) -> Clusters:
    origin, table = named
    return Clusters(table.jobtracker, table.master, origin)


def _of_variables(environ: Mapping[str, str]) -> Clusters:
    jobtracker, master = environ.get(JOBTRACKER_VARIABLE, ""), environ.get(MASTER_VARIABLE, "")
    return Clusters(jobtracker, master, JOBTRACKER_VARIABLE if jobtracker else MASTER_VARIABLE)


def _working_directory() -> Path:
    try:
        return Path.cwd()
    except OSError:  # it was removed
        return Path("/")


def where_to_run(
    configuration: Configuration, *, master: str, jobtracker: str, local: bool
) -> Clusters:
    """The cluster of a submission: from the options, else from the configuration, else none."""
    if master or jobtracker:
        return Clusters(jobtracker, master, "--jobtracker" if jobtracker else "--master")
    return Clusters("", "", "--local") if local else configuration.cluster
