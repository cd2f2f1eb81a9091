"""Runs the blocks of a page, as a reader would: `python -m tests.pages docs/tutorial.md`.

A block with `title="name.py"` is a file. Commands stand in `console` blocks after `$ `; each line
below a command must be part of a line that it prints, in this order. `title="fails"` means that the
last command fails. Blocks with `title="needs a network"` run only here, and those with
`title="needs a cluster"` never. All commands of a page share one shell.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
NETWORK, CLUSTER, FAILS = "needs a network", "needs a cluster", "fails"
REPOSITORY = "https://git.example.org/mrmesos.git"
_FENCE = re.compile(r'^```(\w+)(?: title="([^"]*)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """One block of code: its language, its title, its text, and its line in the page."""

    language: str
    title: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Command:
    """One command, the lines that it must print, and whether it must fail."""

    text: str
    prints: tuple[str, ...]
    fails: bool
    line: int


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(found[1], found[2] or "", found[3], line)


def commands(block: Block) -> list[Command]:
    """The commands of a console block."""
    found: list[tuple[str, list[str]]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line.strip():
            found[-1][1].append(line.strip())
    last = len(found) - 1
    return [
        Command(text, tuple(prints), block.title == FAILS and number == last, block.line)
        for number, (text, prints) in enumerate(found)
    ]


def run_page(page: Path, place: Path, environ: Mapping[str, str], *, network: bool) -> list[str]:
    """Run the blocks of a page in a directory. Returns what went wrong, by line of the page."""
    script = ["set +e", "exec 2>&1"]
    ran: list[Command] = []
    for block in blocks(page):
        if block.title == CLUSTER or (block.title == NETWORK and not network):
            continue
        if block.language == "console":
            for command in commands(block):
                text = command.text.replace(REPOSITORY, f"{ROOT} mrmesos")
                script += [text, f'printf "\\n@@%s %s %s\\n" {len(ran)} $? $SECONDS']
                ran.append(command)
        elif block.title:
            script.append(f"cat > {shlex.quote(block.title)} <<'@@END'\n{block.text}@@END")
    done = subprocess.run(
        ["bash"],
        input="\n".join(script) + "\n",
        cwd=place,
        env=dict(environ),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return list(_wrong(ran, done.stdout))


def _wrong(ran: list[Command], output: str) -> Iterator[str]:
    parts = re.split(r"\n@@(\d+) (\d+) (\d+)\n", output)
    answers: dict[int, tuple[str, int]] = {}
    for text, number, code, seconds in zip(*(parts[at::4] for at in range(4)), strict=False):
        answers[int(number)] = text, int(code)
        if ran[int(number)].text.startswith("mrmesos cat"):
            print(f"{ran[int(number)].text}: after {seconds} s")
    for index, command in enumerate(ran):
        said, status = answers.get(index, ("the shell has ended", 1))
        where = f"line {command.line}: $ {command.text}"
        if (status != 0) != command.fails:
            yield f"{where}\nexit code {status}:\n{said}"
            continue
        lines = iter(said.splitlines())
        for wanted in command.prints:
            if not any(wanted in line for line in lines):
                yield f"{where}\ndid not print {wanted!r}:\n{said}"
                break


def main() -> None:
    """Run a page with its network blocks, and say how long it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=Path)
    page = parser.parse_args().page
    with tempfile.TemporaryDirectory(prefix="mrmesos-page-") as place:
        environ = {"HOME": place, "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
        # Where pip finds packages.
        given = os.environ.items()
        environ |= {n: text for n, text in given if n.startswith(("PIP_", "SSL_", "HTTP", "http"))}
        python = Path(sys.base_prefix) / "bin"
        environ["PATH"] = f"{python}:{environ['PATH']}"
        began = time.monotonic()
        wrong = run_page(page, Path(place), environ, network=True)
        print("\n\n".join([*wrong, f"{page}: {time.monotonic() - began:.0f} s"]))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
