"""The lock: `uv.lock` and `constraints.txt` hold one version of each package that we ask for."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
OURS = {"mrmesos", "http-parser"}


def asked_for() -> list[Requirement]:
    """Every requirement of pyproject.toml: of mrmesos, its extras and its developers."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text())
    texts = [
        *document["project"]["dependencies"],
        *(
            each
            for extra in document["project"]["optional-dependencies"].values()
            for each in extra
        ),
        *document["dependency-groups"]["dev"],
    ]
    return [Requirement(text) for text in texts]


def pinned() -> dict[str, set[str]]:
    """By package, the versions that constraints.txt allows; more than one where Pythons differ."""
    versions: dict[str, set[str]] = defaultdict(set)
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        requirement = Requirement(line)
        (exact,) = requirement.specifier
        assert exact.operator == "==", line
        versions[requirement.name].add(exact.version)
    return versions


def locked() -> dict[str, set[str]]:
    versions: dict[str, set[str]] = defaultdict(set)
    for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]:
        versions[package["name"]].add(package["version"])
    return versions


def test_constraints_and_lock_name_the_same_versions() -> None:
    assert pinned() == {name: each for name, each in locked().items() if name not in OURS}


@pytest.mark.parametrize("requirement", asked_for(), ids=str)
def test_what_we_ask_for_is_pinned_within_its_bounds(requirement: Requirement) -> None:
    versions = locked()[requirement.name]
    assert versions, f"run `make lock`: it lacks {requirement.name}"
    assert all(requirement.specifier.contains(version) for version in versions)
