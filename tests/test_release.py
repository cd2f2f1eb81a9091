"""What a release is made of: wheels with the same bytes, all pages, and a container file.

`make dist-check` does the rest: it needs a network, and takes minutes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import mrmesos
from release.dist import with_root

ROOT = Path(__file__).parents[1]


def build(project: Path, into: Path) -> Path:
    """The wheel of a project, as `make dist` builds it."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", into],
        cwd=project,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1764432000"},
        check=True,
        capture_output=True,
        timeout=100,
    )
    [wheel] = into.glob("*.whl")
    return wheel


@pytest.mark.parametrize(
    "project", [ROOT, ROOT / "packages" / "http-parser"], ids=["mrmesos", "http"]
)
def test_two_builds_of_a_wheel_have_the_same_bytes(project: Path, tmp_path: Path) -> None:
    first, second = build(project, tmp_path / "1"), build(project, tmp_path / "2")
    assert first.read_bytes() == second.read_bytes()
    names = zipfile.ZipFile(first).namelist()
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests")]


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == mrmesos.__version__
    assert f"## {mrmesos.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_site_has_every_page_and_no_other() -> None:
    _, _, navigation = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")
    pages = set(re.findall(r"[\w-]+\.md", navigation))
    assert pages == {path.name for path in (ROOT / "docs").glob("*.md")}


def test_the_image_runs_as_a_user_with_a_python_that_we_support() -> None:
    text = (ROOT / "release" / "Containerfile").read_text()
    [python] = re.findall(r"^ARG PYTHON=(.*)$", text, re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"Programming Language :: Python :: {python}" in project["classifiers"]
    assert re.search(r"^USER [1-9][0-9]*$", text, re.MULTILINE)


def test_the_root_of_the_sbom_is_our_wheel_and_depends_on_the_others() -> None:
    def listed(name: str) -> dict[str, object]:
        url = f"https://pypi.org/simple/{name}/"
        source = {
            "type": "distribution",
            "url": url,
            "hashes": [{"alg": "SHA-256", "content": name}],
        }
        found = {"name": name, "purl": f"pkg:pypi/{name}@1", "bom-ref": f"line-{name}"}
        return {**found, "externalReferences": [source]}

    root = {"name": "mrmesos", "bom-ref": "root-component"}
    bom = with_root(
        {
            "metadata": {"component": root},
            "components": [listed("click"), listed("http-parser"), listed("mrmesos")],
            "dependencies": [{"ref": "root-component"}],
        }
    )
    assert [each["name"] for each in bom["components"]] == ["click", "http-parser"]
    assert bom["metadata"]["component"]["purl"] == "pkg:pypi/mrmesos@1"
    assert bom["metadata"]["component"]["hashes"][0]["content"] == "mrmesos"
    needed = ["line-click", "line-http-parser"]
    assert bom["dependencies"][0] == {"ref": "root-component", "dependsOn": needed}
    assert "externalReferences" not in bom["components"][1], "http-parser is on no index"


def test_the_project_names_where_to_read_on() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {"Documentation", "Repository", "Changelog", "Issues"} <= set(project["urls"])
