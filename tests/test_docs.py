"""Pages tell of files that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mrmesos import api
from mrmesos.api import aggregates, formats
from tests.pages import blocks

ROOT = Path(__file__).parents[1]
FOLDERS = ("mrmesos", "tests", "examples", "benchmarks", "packages")
OF_USERS = {"my-job.py", "numpy.py", "queue.py", "job.py", "random.py", "json.py", "wordcount.py"}
"""Scripts that pages speak of, and that nobody ships; beside those that a page itself holds."""

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


def test_the_page_of_the_api_has_every_public_name() -> None:
    shown = re.findall(r"^::: (\S+)$", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE)
    for whole in (aggregates, formats):
        if whole.__name__ in shown:
            shown += dir(whole)
    assert set(api.__all__) <= {name.rpartition(".")[2] for name in shown}
