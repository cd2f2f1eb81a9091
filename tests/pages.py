"""Runs the blocks of a page, as a reader would: `python -m tests.pages docs/tutorial.md`.

- A block with `title="name.py"` is a file.
- Commands stand in `console` blocks after `$ `; a line that ends with a backslash goes on in the
  next one. Each line below a command must be part of a line that it prints, in this order. `…` in
  such a line stands for any text.
- `title="fails"` means that the last command fails.
- A `python` block without a title is a script of its own, and runs.
- Blocks with `title="needs a network"` run only here. Those with another title of EXCUSES, such as
  `title="needs a cluster"`, never run.
- A `text` block without a title is a picture, or output that differs from run to run.

All blocks of a page share one directory and one shell.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
NETWORK, CLUSTER, FAILS = "needs a network", "needs a cluster", "fails"
SECONDS = 1200
"""More than any page takes, also on a machine that is busy with other things."""
REPOSITORY = "https://git.example.org/mrmesos.git"
EXCUSES = (
    *(NETWORK, CLUSTER, "takes minutes", "runs until Ctrl-C", "after a failure"),
    "needs a job of mrjob",
)
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
    goes_on = False
    for line in block.text.splitlines():
        if goes_on:
            found[-1] = f"{found[-1][0]}\n{line}", []
        elif line.startswith("$ "):
            found.append((line[2:], []))
        elif line.strip():
            found[-1][1].append(line.strip())
        goes_on = line.endswith("\\") and (goes_on or line.startswith("$ "))
    last = len(found) - 1
    return [
        Command(text, tuple(prints), block.title == FAILS and number == last, block.line)
        for number, (text, prints) in enumerate(found)
    ]


def is_file(block: Block) -> bool:
    """Whether the block is the text of a file, which its title names."""
    return bool(block.title) and block.title not in (*EXCUSES, FAILS)


def run_page(
    page: Path,
    place: Path,
    environ: Mapping[str, str],
    *,
    network: bool,
    hosts: Mapping[str, str] | None = None,
) -> list[str]:
    """Run the blocks of a page in a directory. Returns what went wrong, by line of the page.

    `hosts` replaces URLs of the page, such as that of a JobTracker.
    """
    script = ["set +e", "exec 2>&1 < /dev/null", "trap 'kill $(jobs -p) 2> /dev/null' EXIT"]
    ran: list[Command] = []
    for block in blocks(page):
        if block.title in EXCUSES and not (block.title == NETWORK and network):
            continue
        if block.language == "console":
            for command in commands(block):
                text = command.text.replace(REPOSITORY, f"{ROOT} mrmesos")
                script += [text, _report(len(ran))]
                ran.append(command)
        elif is_file(block):
            script.append(_file(block))
        elif block.language == "python":
            name = f".block-{block.line}.py"
            script += [_file(replace(block, title=name)), f"python {name}", _report(len(ran))]
            ran.append(Command("the script of this block", (), fails=False, line=block.line))
    text = "\n".join(script) + "\n"
    for named, real in (hosts or {}).items():
        text = text.replace(named, real)
    (place / ".page.sh").write_text(text)
    return list(_wrong(ran, _output(place, environ)))


def _output(place: Path, environ: Mapping[str, str]) -> str:
    """The output of the script. No process that it has started is left behind."""
    shell = subprocess.Popen(
        ["bash", ".page.sh"],
        cwd=place,
        env=dict(environ),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = shell.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(shell.pid, signal.SIGKILL)
        said, _ = shell.communicate()
    except BaseException:  # the user or the test's own limit ends it
        os.killpg(shell.pid, signal.SIGKILL)
        raise
    return said


def _report(number: int) -> str:
    return f'printf "\\n@@%s %s %s\\n" {number} $? $SECONDS'


def _file(block: Block) -> str:
    folder = shlex.quote(str(Path(block.title).parent))
    name = shlex.quote(block.title)
    return f"mkdir -p {folder}; cat > {name} <<'@@END'\n{block.text}@@END"


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
            parts_of_it = ".*".join(re.escape(part.strip()) for part in wanted.split("…"))
            if not any(re.search(parts_of_it, line) for line in lines):
                yield f"{where}\ndid not print {wanted!r}:\n{said}"
                break


def main() -> None:
    """Run a page with its network blocks, and say how long it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=Path)
    page = parser.parse_args().page
    with tempfile.TemporaryDirectory(prefix="mrmesos-page-") as place:
        environ = {"HOME": place, "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
        # The variables that tell pip where packages are.
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
