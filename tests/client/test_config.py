"""mrmesos.toml, variables and -D: which place wins, and what a mistake in each says."""

from __future__ import annotations

from pathlib import Path

import pytest

from mrmesos.client.config.configuration import (
    DEFAULT_URL,
    Configuration,
    read_configuration,
    where_to_run,
)
from mrmesos.client.config.files import project_file
from mrmesos.client.terminal.errors import UsageProblem


class Places:
    """The three files and the environment of one user."""

    def __init__(self, root: Path) -> None:
        self.system = root / "etc" / "mrmesos.toml"
        self.user = root / "xdg" / "mrmesos" / "mrmesos.toml"
        self.project = root / "project" / "mrmesos.toml"
        self.environ = {"XDG_CONFIG_HOME": str(root / "xdg")}
        for path in (self.system, self.user, self.project):
            path.parent.mkdir(parents=True)

    def read(self, profile: str = "", *assignments: str) -> Configuration:
        return read_configuration(
            profile,
            assignments,
            environ=self.environ,
            here=self.project.parent,
            system=self.system,
        )

    def wrong(self, text: str, profile: str = "") -> str:
        self.project.write_text(text)
        with pytest.raises(UsageProblem) as raised:
            self.read(profile)
        return str(raised.value.message)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


def test_without_anything(places: Places) -> None:
    found = places.read()
    assert (found.files, found.layers.all(), found.master.text) == ((), {}, "")
    assert found.jobtracker == (DEFAULT_URL, "default")


def test_the_nearer_place_wins(places: Places) -> None:
    """From the weakest to the strongest. Each step overrides the one before."""

    def now(profile: str = "", *assignments: str) -> tuple[str, str]:
        return places.read(profile, *assignments).layers.all()["map.cpus"]

    places.system.write_text("[settings]\nmap.cpus = 1\n")
    assert now() == ("1", str(places.system))
    places.user.write_text("[settings]\nmap.cpus = 2\n[profile.p.settings]\nmap.cpus = 4\n")
    assert now() == ("2", str(places.user))
    places.project.write_text("[settings]\nmap.cpus = 3\n")
    assert now() == ("3", str(places.project))
    assert now("p") == ("4", f"{places.user} [profile.p]")
    places.environ["MRMESOS_PROFILE"] = "p"
    assert now() == ("4", f"{places.user} [profile.p]")
    places.environ["MRMESOS_MAP_CPUS"] = "5"
    assert now() == ("5", "MRMESOS_MAP_CPUS")
    assert now("", "map.cpus=6") == ("6", "-D")


def test_files_are_below_the_class_and_variables_above(places: Places) -> None:
    places.project.write_text("[settings]\nmap.cpus = 1\nmap.memory.mb = 512\n")
    places.environ["MRMESOS_REDUCE_CPUS"] = "2"
    below, above = places.read("", "job.reduces=3").layers.for_job()
    assert dict(below) == {"map.cpus": "1", "map.memory.mb": "512"}
    assert dict(above) == {"reduce.cpus": "2", "job.reduces": "3"}


def test_a_service_gets_its_own_settings_and_a_job_those_of_jobs(places: Places) -> None:
    places.project.write_text("[settings]\nscheduler = 'fair'\nmap.cpus = 2\nmine = 'x'\n")
    places.environ["MRMESOS_SLOT_LEASE_SECONDS"] = "7"
    layers = places.read().layers
    assert dict(layers.for_jobtracker()) == {"scheduler": "fair", "slot.lease.seconds": "7"}
    below, above = layers.for_job()
    assert (dict(below), dict(above)) == ({"map.cpus": "2", "mine": "x"}, {})
    assert set(layers.for_client()) == {"scheduler", "map.cpus", "mine", "slot.lease.seconds"}


def test_a_client_trusts_authorities_that_it_tells_no_tasktracker(places: Places) -> None:
    places.environ["MRMESOS_TLS_CA_FILE"] = "/ca.pem"
    layers = places.read().layers
    assert dict(layers.for_client()) == {"tls.ca.file": "/ca.pem"}
    assert dict(layers.for_jobtracker()) == {}


def test_the_token_of_a_profile_is_beside_its_file(places: Places) -> None:
    places.user.write_text("token_file = 'general'\n[profile.p]\ntoken_file = 'special'\n")
    beside = places.user.parent
    name = "jobtracker.token.file"
    assert places.read().layers.for_client()[name] == str(beside / "general")
    assert places.read("p").layers.for_client()[name] == str(beside / "special")
    places.environ["MRMESOS_TOKEN_FILE"] = "/run/token"
    assert places.read("p").layers.for_client()[name] == "/run/token"


@pytest.mark.parametrize(
    ("user", "project", "profile", "variables", "cluster"),
    [
        ("", "", "", {}, ("", "")),
        ("jobtracker = 'u'", "", "", {}, ("u", "")),
        ("jobtracker = 'u'", "master = 'm'", "", {}, ("", "m")),
        ("master = 'm'\njobtracker = 'u'", "", "", {}, ("u", "")),
        ("jobtracker = 'u'\n[profile.p]\nmaster = 'm'", "", "p", {}, ("", "m")),
        ("[profile.p]\nmaster = 'm'", "jobtracker = 'x'", "p", {}, ("", "m")),
        ("jobtracker = 'u'", "", "", {"MRMESOS_JOBTRACKER_URL": "v"}, ("v", "")),
        ("jobtracker = 'u'", "", "", {"MRMESOS_MASTER": "v"}, ("", "v")),
    ],
)
def test_where_a_submission_goes(
    places: Places,
    user: str,
    project: str,
    profile: str,
    variables: dict[str, str],
    cluster: tuple[str, str],
) -> None:
    places.user.write_text(user)
    places.project.write_text(project)
    places.environ |= variables
    found = places.read(profile)
    assert (found.cluster.jobtracker, found.cluster.master) == cluster
    named = where_to_run(found, master="other", jobtracker="", local=False)
    assert (named.jobtracker, named.master) == ("", "other")
    here = where_to_run(found, master="", jobtracker="", local=True)
    assert (here.jobtracker, here.master) == ("", "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("= 3", "this is not TOML"),
        ("jobtraker = 'x'", "jobtraker is not known here; did you mean jobtracker?"),
        ("[profil.p]", "profil is not known here; did you mean profile?"),
        ("map.cpus = 2", "map is not known here"),
        ("[profile.p]\ntokenfile = 'x'", "profile.p.tokenfile is not known here; did you mean tok"),
        ("jobtracker = 3", "jobtracker: expected text"),
        ("settings = 3", "settings: expected a table"),
        ("profile = 3", "profile: expected tables"),
        ("[settings]\nmap.cpus = 'many'", "map.cpus='many': expected float"),
        ("[settings]\nmap.cpus = [1]", "settings.map.cpus: expected text, a number or a bool"),
        ("[settings]\njob.name = 2026-01-01", "settings.job.name: expected text"),
    ],
)
def test_a_mistake_names_the_file_and_the_key(places: Places, text: str, words: str) -> None:
    said = places.wrong(text)
    assert said.startswith(str(places.project))
    assert words in said


def test_a_misspelt_profile(places: Places) -> None:
    said = places.wrong("[profile.production]\njobtracker = 'x'", "prodution")
    assert said == ("no profile 'prodution'; did you mean production? (there are: production)")


def test_misspelt_names_are_warned_of_with_their_place(places: Places) -> None:
    places.project.write_text("[settings]\nmap.memroy.mb = 2048\n")
    places.environ |= {"MRMESOS_MAP_CPU": "2", "MRMESOS_JOBTRACKER_ULR": "x"}
    warnings = places.read("", "io.sort.mbs=3", "threshold=3").warnings
    assert warnings == (
        "the variable MRMESOS_JOBTRACKER_ULR is not one of mrmesos; did you mean "
        "MRMESOS_JOBTRACKER_URL?",
        "the variable MRMESOS_MAP_CPU is not one of mrmesos; did you mean MRMESOS_MAP_CPUS?",
        f"{places.project}: map.memroy.mb is not a setting of mrmesos; did you mean map.memory.mb?",
        "-D: io.sort.mbs is not a setting of mrmesos; did you mean io.sort.mb?",
    )


def test_a_bad_value_of_a_variable(places: Places) -> None:
    places.environ["MRMESOS_MAP_CPUS"] = "many"
    with pytest.raises(UsageProblem, match=r"MRMESOS_MAP_CPUS: map\.cpus='many'"):
        places.read()


def test_the_project_is_the_nearest_directory_with_a_file(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "mrmesos.toml").write_text("")
    assert project_file(inner) == tmp_path / "mrmesos.toml"
    (tmp_path / "a" / ".git").mkdir()  # what is above a repository is another project
    assert project_file(inner) is None


def test_a_file_that_everybody_can_write_is_refused(places: Places) -> None:
    places.project.write_text("master = 'm'")
    places.project.chmod(0o666)
    with pytest.raises(UsageProblem, match="can be written by everybody"):
        places.read()
    places.environ["MRMESOS_CONFIG_FILE"] = str(places.project)
    assert places.read().master.text == "m"
    places.environ["MRMESOS_CONFIG_FILE"] = ""
    assert places.read().files == ()


def test_a_named_file_that_is_missing(places: Places) -> None:
    places.environ["MRMESOS_CONFIG_FILE"] = "/nowhere/x.toml"
    with pytest.raises(UsageProblem, match=r"/nowhere/x\.toml: No such file"):
        places.read()
