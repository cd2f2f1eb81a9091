"""What pages show is true: their blocks run, and every name they link to is there."""

from __future__ import annotations

import json
import os
import re
import shlex
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import click
import pytest

from mrmesos.cli import main
from mrmesos.conf import SETTINGS
from mrmesos.conf.toml_file import parse_toml
from tests.page_cluster import PageCluster, page_cluster, page_environ
from tests.pages import EXCUSES, ROOT, SECONDS, Block, blocks, commands, run_page
from tests.s3.conftest import S3, s3_process

DOCS = sorted((ROOT / "docs").glob("*.md"))
LANGUAGES = {"console", "csv", "ini", "json", "python", "text", "toml"}


READ = [*DOCS, ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
OWN, SHARED, STORE = "jobs have their own clusters", "all pages share a cluster", "an S3 store"

PAGES = {
    "tutorial.md": OWN,
    "README.md": OWN,
    "s3.md": STORE,
    "chaos.md": OWN,
    "command-line.md": SHARED,
    "configuration.md": OWN,
    "dependencies.md": SHARED,
    "doctor.md": SHARED,
    "failures.md": SHARED,
    "formats.md": SHARED,
    "formats-reference.md": OWN,
    "joins.md": SHARED,
    "mrjob.md": SHARED,
    "minimesos.md": OWN,
    "simulator.md": OWN,
    "simulator-design.md": OWN,
    "sorting.md": SHARED,
    "streaming.md": SHARED,
    "testing-jobs.md": OWN,
    "workflows.md": SHARED,
    "writing-jobs.md": SHARED,
}
"""Pages whose blocks run, and what stands around them."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageCluster]:
    home = tmp_path_factory.mktemp("home")
    with page_cluster(home, page_environ(home)) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    pytest.importorskip("s3fs")
    pytest.importorskip("moto.server")
    with s3_process(tmp_path_factory.mktemp("s3") / "log") as server:
        yield server


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 60)
@pytest.mark.parametrize("name", PAGES)
def test_the_blocks_of_a_page_run(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    environ, hosts = page_environ(tmp_path), {}
    if PAGES[name] == STORE:
        store = request.getfixturevalue("store")
        hosts = {"http://s3.example:9000": store.url}
    elif PAGES[name] == SHARED:
        cluster: PageCluster = request.getfixturevalue("cluster")
        environ, hosts = environ | cluster.environ(), cluster.hosts()
    place = tmp_path / "page"
    place.mkdir()
    page = ROOT / name if name == "README.md" else ROOT / "docs" / name
    assert run_page(page, place, environ, network=False, hosts=hosts) == []


@pytest.mark.parametrize("page", READ, ids=lambda page: page.name)
def test_each_block_runs_or_says_what_it_needs(page: Path) -> None:
    text = page.read_text()
    found = list(blocks(page))
    assert text.count("```") == 2 * len(found), "a fence without a language, or within a list"
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert not re.search(r"\n\n    [^\s*-]", prose), "an indented block: nothing runs it"
    for block in found:
        where = f"{page.name}:{block.line}"
        assert block.language in LANGUAGES, where
        runs = block.language in ("console", "python")
        if runs and block.title not in EXCUSES:
            assert page.name in PAGES, (
                f"{where}: add the page to PAGES, or say what the block needs"
            )


def test_pages_that_run_are_there() -> None:
    assert set(PAGES) <= {page.name for page in READ}


def test_the_runner_tells_what_is_wrong(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```console\n$ echo a; echo b\na\nb\n```\n"
        '```text title="f.txt"\nin the file\n```\n'
        "```console\n$ cat f.txt\nin the file\n$ echo x\ny\n```\n"
        '```console title="fails"\n$ true\n```\n'
        '```console title="needs a cluster"\n$ exit 7\n```\n'
        "```python\nprint(open('f.txt').read())\n```\n"
        "```console\n$ echo a \\\n    b 12 c\na b … c\n```\n"
        "```python\nraise SystemExit('the script fails')\n```\n"
        "```console\n$ cd / && pwd\n/\n$ pwd\n/\n```\n"
    )
    first, second, third = run_page(page, tmp_path, os.environ, network=False)
    assert "$ echo x\ndid not print 'y'" in first
    assert "$ true\nexit code 0" in second
    assert "the script fails" in third


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_python_toml_and_json_of_pages_can_be_read(page: Path, tmp_path: Path) -> None:
    for block in blocks(page):
        where = f"{page.name}:{block.line}"
        if block.language == "python":
            compile(block.text, where, "exec")
        elif block.language == "toml":
            tomllib.loads(block.text)
        elif block.language == "json" and not block.title.endswith(".jsonl"):
            json.loads(block.text)


def tables() -> list[Block]:
    pages = [ROOT / "docs" / name for name in ("configuration.md", "deploying.md")]
    return [each for page in pages for each in blocks(page) if each.language == "toml"]


@pytest.mark.parametrize("block", tables(), ids=lambda block: f"line {block.line}")
def test_configurations_of_pages_are_right(block: Block) -> None:
    found = parse_toml(Path("mrmesos.toml"), block.text)
    for table in (found.top, *found.profiles.values()):
        for name, text in table.settings.items():
            SETTINGS[name].parse(text)


def test_marathon_checks_where_the_jobtracker_listens() -> None:
    """Mesos' own HTTP checks go to 127.0.0.1, and `--host` names the one address that listens."""
    [block] = [each for each in blocks(ROOT / "docs" / "deploying.md") if each.language == "json"]
    app = json.loads(block.text)
    words = shlex.split(app["cmd"])
    host, [port] = words[words.index("--host") + 1], app["portDefinitions"]
    for check in app["healthChecks"]:
        assert check["protocol"] == "COMMAND"
        assert f"http://{host}:{port['port']}/health" in shlex.split(check["command"]["value"])


SYSTEM = {"systemctl", "useradd", "install", "journalctl"}
"""Commands that may have `mrmesos` as a name of something."""


def our_commands(block: Block) -> Iterator[list[str]]:
    """The words behind `mrmesos` of each command, also in units of systemd and apps of Marathon."""
    if block.language == "console":
        lines = [command.text.partition(" #")[0] for command in commands(block)]
    elif block.language == "ini":
        lines = re.findall(r"^ExecStart=(.*)$", block.text, re.MULTILINE)
    else:
        lines = re.findall(r'^  "cmd": "(.*)",$', block.text, re.MULTILINE)
    for line in lines:
        words = shlex.split(re.sub(r"[$][(]|[)]|\\\n", " ", line))
        at = [number for number, word in enumerate(words) if re.search("(^|/)mrmesos$", word)]
        ours = words[at[0] + 1 :] if at else []
        if ours and not ours[0].startswith("-") and words[0] not in SYSTEM:
            yield ours[: ours.index("--")] if "--" in ours else ours


@pytest.mark.parametrize("page", READ, ids=lambda page: page.name)
def test_commands_of_pages_are_ours(page: Path) -> None:
    """Verbs, options and settings of commands exist, also where a cluster is needed."""
    ctx = click.Context(main)
    for block in blocks(page):
        for words in our_commands(block):
            verb = main.get_command(ctx, words[0])
            assert verb is not None, words
            if isinstance(verb, click.Group) and len(words) > 1 and words[1] in verb.commands:
                verb = verb.commands[words[1]]
            if words[0] == "streaming":
                continue
            known = {option for param in verb.params for option in param.opts}
            known |= {option for param in verb.params for option in param.secondary_opts}
            given = {word.partition("=")[0] for word in words[1:] if word.startswith("--")}
            assert given - {"--help"} <= known, words
            named = {after.partition("=")[0] for D, after in pairwise(words) if D == "-D"}
            assert named - {"map.memroy.mb"} <= set(SETTINGS), words
