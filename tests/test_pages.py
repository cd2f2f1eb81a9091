"""What pages show is true: their blocks run, and every name they link to is there."""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path

import pytest

from mrmesos.conf import SETTINGS
from mrmesos.conf.toml_file import parse_toml
from tests.pages import CLUSTER, ROOT, Block, blocks, commands, run_page

DOCS = sorted((ROOT / "docs").glob("*.md"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_tutorial_runs(tmp_path: Path) -> None:
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    assert run_page(ROOT / "docs" / "tutorial.md", tmp_path, environ, network=False) == []


def test_the_runner_tells_what_is_wrong(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```console\n$ echo a; echo b\na\nb\n```\n"
        '```text title="f.txt"\nin the file\n```\n'
        "```console\n$ cat f.txt\nin the file\n$ echo x\ny\n```\n"
        '```console title="fails"\n$ true\n```\n'
        '```console title="needs a cluster"\n$ exit 7\n```\n'
        "```console\n$ cd / && pwd\n/\n$ pwd\n/\n```\n"
    )
    first, second = run_page(page, tmp_path, os.environ, network=False)
    assert "$ echo x\ndid not print 'y'" in first
    assert "$ true\nexit code 0" in second


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_python_and_toml_of_pages_can_be_read(page: Path, tmp_path: Path) -> None:
    for block in blocks(page):
        where = f"{page.name}:{block.line}"
        if block.language == "python":
            compile(block.text, where, "exec")
        elif block.language == "toml":
            tomllib.loads(block.text)


def tables() -> list[Block]:
    pages = [ROOT / "docs" / name for name in ("configuration.md", "deploying.md")]
    return [each for page in pages for each in blocks(page) if each.language == "toml"]


@pytest.mark.parametrize("block", tables(), ids=lambda block: f"line {block.line}")
def test_configurations_of_pages_are_right(block: Block) -> None:
    found = parse_toml(Path("mrmesos.toml"), block.text)
    for table in (found.top, *found.profiles.values()):
        for name, text in table.settings.items():
            SETTINGS[name].parse(text)


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_commands_of_pages_are_ours(page: Path) -> None:
    """Verbs and long options in console blocks exist, also where a cluster is needed."""
    import click

    from mrmesos.cli import main

    ctx = click.Context(main)
    for block in blocks(page):
        if block.language != "console" or block.title == CLUSTER:
            continue
        for command in commands(block):
            words = command.text.partition("#")[0].split()
            if words[:1] != ["mrmesos"] or len(words) < 2 or words[1].startswith("-"):
                continue
            verb = main.get_command(ctx, words[1])
            assert verb is not None, command.text
            if isinstance(verb, click.Group) and len(words) > 2 and words[2] in verb.commands:
                verb = verb.commands[words[2]]
            if words[1] == "streaming":
                continue
            known = {option for param in verb.params for option in param.opts}
            known |= {option for param in verb.params for option in param.secondary_opts}
            given = {word.partition("=")[0] for word in words[2:] if word.startswith("--")}
            assert given - {"--", "--help"} <= known, command.text
