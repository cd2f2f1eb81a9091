"""Counts the words of Python's standard library with MapReduce, and checks them with a Counter.

`make demo` runs this: a Mesos of two agents on this machine, a JobTracker, TaskTrackers, eight maps
and three reduces, every attempt in a process of its own.
"""

import argparse
import codecs
import json
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
INSTALLED = ("site-packages", "dist-packages")


def main() -> int:
    """Run the job, count again without it, and compare. Returns 0 if both agree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--input", type=Path, default=Path(sysconfig.get_path("stdlib")))
    parser.add_argument("--output", type=Path, default=Path("demo-output"))
    parser.add_argument("--agents", type=int, default=2)
    parser.add_argument("--maps", type=int, default=8)
    parser.add_argument("--reduces", type=int, default=3)
    options = parser.parse_args()

    packages = own_packages(options.input)
    sources = [*python_files(options.input, "*.py")]
    for package in packages:
        sources += python_files(package, "**/*.py")
    size = sum(path.stat().st_size for path in sources)
    print(f"{len(sources):,} Python files of {options.input}, {size / 1e6:.1f} MB")
    if not remove_own_output(options.output):
        print(f"{options.output} is there, and no output of a job: remove it yourself")
        return 1

    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mrmesos-demo-") as scratch:
        report = Path(scratch, "report.json")
        if submit(options, packages, report) != 0:
            return 1
        describe(json.loads(report.read_text()), time.monotonic() - started)
    counted = read_counts(options.output)

    started = time.monotonic()
    expected = count_words(sources)
    print(f"one Counter in one process counted for {time.monotonic() - started:.1f} s")
    print(f"{len(counted):,} words:", ", ".join(f"{w} {n:,}" for w, n in counted.most_common(8)))
    if counted != expected:
        wrong = [word for word in counted | expected if counted[word] != expected[word]]
        print(f"different: {len(wrong):,} words, such as {sorted(wrong)[:5]}")
        return 1
    print("equal")
    return 0


def own_packages(library: Path) -> list[Path]:
    """The directories of the library with sources, except those of pip's packages."""
    return [
        child
        for child in sorted(library.iterdir())
        if child.is_dir() and child.name not in INSTALLED and python_files(child, "**/*.py")
    ]


def python_files(directory: Path, pattern: str) -> list[Path]:
    """The files of the pattern. As in Hadoop, names that begin with _ or . are ignored."""
    return [
        path
        for path in sorted(directory.glob(pattern))
        if not any(part[0] in "_." for part in path.relative_to(directory.parent).parts[1:])
        and directory.name[0] not in "_."
    ]


def remove_own_output(output: Path) -> bool:
    """Remove the output of an earlier run. Returns False if something else exists there."""
    if not output.exists():
        return True
    if not (output / "_SUCCESS").is_file():
        return False
    shutil.rmtree(output)
    return True


def submit(options: argparse.Namespace, packages: list[Path], report: Path) -> int:
    """Run the same command as a user would. Returns its exit code."""
    script = str(HERE / "wordcount.py")
    inputs = [f"{options.input}/*.py", *(f"{package}/**/*.py" for package in packages)]
    rest = [
        *("--output", str(options.output), "--local-agents", str(options.agents)),
        *("-D", f"job.maps={options.maps}", "-D", f"job.reduces={options.reduces}"),
        *("--report", str(report)),
    ]
    print("$ mrmesos submit", script, f"--input '{inputs[0]}' [and {len(inputs) - 1} more]", *rest)
    sys.stdout.flush()
    command = [sys.executable, "-m", "mrmesos", "submit", script]
    for pattern in inputs:
        command += ["--input", pattern]
    return subprocess.run([*command, *rest], check=False).returncode


def describe(report: dict[str, Any], seconds: float) -> None:
    """Print which attempts ran on which agent. Each agent has a TaskTracker of its own."""
    print(f"{'attempt':<44}{'agent':<24}{'seconds':>8}  state")
    for row in report["attempts"]:
        lasted = (row["end"] or row["start"]) - row["start"]
        why = row["error"]["message"] if row["error"] else ""
        print(f"{row['id']:<44}{row['agent']:<24}{lasted:>8.2f}  {row['state']} {why}".rstrip())
    maps, reduces = report["maps"]["succeeded"], report["reduces"]["succeeded"]
    agents = len({row["agent"] for row in report["attempts"]})
    print(f"{maps} maps and {reduces} reduces on {agents} agents in {seconds:.1f} s")


def read_counts(output: Path) -> Counter[str]:
    """The job's part files, `word TAB count` a line."""
    counts: Counter[str] = Counter()
    for part in sorted(output.glob("part-r-*")):
        for line in part.read_bytes().decode().split("\n")[:-1]:
            word, _, count = line.rpartition("\t")
            counts[word] += int(count)
    return counts


def count_words(paths: list[Path]) -> Counter[str]:
    """The same counts without MapReduce."""
    counts: Counter[str] = Counter()
    for path in paths:
        # TextInput ends lines only at newlines, and drops a byte order mark at the start of a file.
        for line in path.read_bytes().removeprefix(codecs.BOM_UTF8).split(b"\n"):
            counts.update(line.decode("utf-8", errors="replace").split())
    return counts


if __name__ == "__main__":
    sys.exit(main())
