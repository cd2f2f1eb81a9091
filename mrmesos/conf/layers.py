"""Settings from several places, in one order, each with the place that it came from.

The order is, from the weakest to the strongest: defaults, files, the job's class, variables of the
environment, `-D`. `Layers` has what stands below and above the class.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec

from mrmesos.conf.declaring import ConfError
from mrmesos.conf.names import PREFIX, misspelt_variable, variable_name
from mrmesos.conf.values import SETTINGS, Conf
from mrmesos.conf.variables import OF_PROCESSES, SETTING_OF

DEFAULT, COMMAND_LINE = "default", "-D"
_CLIENTS_ONLY = frozenset({"MRMESOS_TLS_CA_FILE"})
"""Variables that tell a client which server to trust. TaskTrackers do not get them."""


class Given(NamedTuple):
    """A value as text, and where it was given."""

    text: str
    origin: str


Layer = Mapping[str, Given]


class Layers(msgspec.Struct, frozen=True):
    """The values given below the job's class (files), and above it (variables, `-D`)."""

    below: Layer = msgspec.field(default_factory=dict)
    above: Layer = msgspec.field(default_factory=dict)

    def all(self, own: Layer | None = None) -> dict[str, Given]:
        """Every value that was given, also in the job's class."""
        return {**self.below, **(own or {}), **self.above}

    def for_client(self) -> Conf:
        """The settings that the client itself uses, such as the token's file."""
        return conf_of(self.all())

    def for_jobtracker(self) -> Conf:
        """The settings of a JobTracker that this process starts, without those of jobs."""
        return conf_of(
            {
                name: each
                for name, each in self.all().items()
                if not _is_of_jobs(name) and each.origin not in _CLIENTS_ONLY
            }
        )

    def for_job(self) -> tuple[Conf, Conf]:
        """The settings of a job, below and above those of its class.

        Other settings are not sent with a job, but those of `-D` are, so that the user can be
        warned of one that has no effect.
        """
        below = {name: each for name, each in self.below.items() if _is_of_jobs(name)}
        above = {
            name: each
            for name, each in self.above.items()
            if _is_of_jobs(name) or each.origin == COMMAND_LINE
        }
        return conf_of(below), conf_of(above)


def conf_of(layer: Layer) -> Conf:
    """The values without their origins."""
    return Conf({name: each.text for name, each in layer.items()})


def layer_of(values: Mapping[str, str], origin: str) -> dict[str, Given]:
    """Values of one origin."""
    return {name: Given(text, origin) for name, text in values.items()}


def variables_layer(environ: Mapping[str, str]) -> tuple[dict[str, Given], list[str]]:
    """The settings in variables MRMESOS_…, and a warning for each that is misspelt.

    Raises ConfError for a bad value.
    """
    known = {variable_name(name): name for name in SETTINGS} | SETTING_OF
    layer: dict[str, Given] = {}
    warnings = []
    for variable in sorted(name for name in environ if name.startswith(PREFIX)):
        name = known.get(variable)
        if name is None:
            if wrong := misspelt_variable(variable, SETTINGS):
                warnings.append(wrong)
        elif environ[variable] and variable not in OF_PROCESSES:
            Conf({name: environ[variable]}).check(variable)
            layer[name] = Given(environ[variable], variable)
    return layer, warnings


def checked(layer: Layer) -> Iterator[str]:
    """A warning for each misspelt name. Raises ConfError for a bad value."""
    for name, each in layer.items():
        yield from Conf({name: each.text}).check(each.origin)


def check_profile(name: str, known: Mapping[str, object]) -> None:
    """Raise ConfError if there is no such profile."""
    from mrmesos.conf.names import did_you_mean

    if name and name not in known:
        there = ", ".join(sorted(known)) or "no profiles"
        raise ConfError(f"no profile {name!r}{did_you_mean(name, known)} (there are: {there})")


def _is_of_jobs(name: str) -> bool:
    """Whether this is a setting of jobs, or a parameter of one."""
    return name not in SETTINGS or SETTINGS[name].scope == "job"
