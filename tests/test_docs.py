"""Pages tell of files that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mrmesos import api
from mrmesos.api import aggregates, formats
from release.site_hooks import on_page_content, on_page_markdown
from tests.pages import blocks

ROOT = Path(__file__).parents[1]
FOLDERS = ("mrmesos", "tests", "examples", "benchmarks", "packages")
OF_USERS = {"my-job.py", "numpy.py", "queue.py", "job.py", "random.py", "json.py", "wordcount.py"}
"""Scripts that pages speak of, and that nobody ships; beside those that a page itself holds."""

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_ANCHOR = re.compile(r"^#+ (.+?)(?: \{#[\w-]+\})?$", re.MULTILINE)
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"`((?:[\w.-]+/)*[\w-]+\.py)(?:::\w+)?`")


def shipped() -> set[str]:
    return {f"/{p.relative_to(ROOT)}" for f in FOLDERS for p in (ROOT / f).rglob("*.py")}


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=str
)
def test_files_that_a_page_names_exist(page: Path) -> None:
    there = shipped()
    named = set(_FILE.findall(page.read_text())) - OF_USERS
    named -= {block.title for block in blocks(page)}
    missing = {name for name in named if not any(file.endswith(f"/{name}") for file in there)}
    assert not missing


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as mkdocs makes them."""
    found: set[str] = set()
    for heading in _ANCHOR.findall(_FENCE.sub("", text)):
        plain = re.sub(r"\]\([^)]*\)", "]", heading)
        name = re.sub(r"[^\w\s-]", "", plain).strip().lower()
        found.add(re.sub(r"[-\s]+", "-", name))
    return found


def dead_links(page: Path) -> list[str]:
    """Links to files that are not there, or to headings that a page of ours does not have."""
    dead = []
    for link in _LINK.findall(_FENCE.sub("", page.read_text())):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        to = (page.parent / path).resolve() if path else page
        if not to.exists() or (anchor and anchor not in anchors(to.read_text())):
            dead.append(link)
    return dead


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=str
)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    assert not dead_links(page)


def test_dead_links_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    (tmp_path / "other.md").write_text("## Why `it` waits\n")
    page.write_text(
        "# A\n[1](#a) [2](other.md#why-it-waits) [3](other.md#gone) [4](no.md) [5](#b)\n"
    )
    assert dead_links(page) == ["other.md#gone", "no.md", "#b"]


def test_the_page_of_the_api_has_every_public_name() -> None:
    shown = re.findall(r"^::: (\S+)$", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE)
    for whole in (aggregates, formats):
        if whole.__name__ in shown:
            shown += dir(whole)
    assert set(api.__all__) <= {name.rpartition(".")[2] for name in shown}


def test_options_without_a_default_have_an_empty_cell() -> None:
    marks = ("<code>Sentinel.UNSET</code>", "``")
    assert [on_page_content(f"<td>{mark}</td>") for mark in marks] == ["<td></td>", "<td></td>"]
    assert on_page_content("<td><code>5055</code></td>") == "<td><code>5055</code></td>"


def test_links_into_the_repository_name_their_path_once() -> None:
    assert on_page_markdown("[`tests`](../tests)") == "`tests` in the repository"
    assert on_page_markdown("[all](../tests/)") == "all (`tests` in the repository)"
