"""Writes lines to sort, like Hadoop's TeraGen: `python teragen.py LINES DIRECTORY [--files N]`.

A line has 100 bytes with its newline: ten random printable characters, the line's number, filler.
The same `--seed` gives the same lines.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

LINE = 100
BLOCK = 100_000


def lines(first: int, count: int, seed: int) -> Iterator[bytes]:
    """Lines number `first` to `first + count - 1`, in blocks."""
    for start in range(first, first + count, BLOCK):
        rows = min(BLOCK, first + count - start)
        random = np.random.default_rng([seed, start])
        block = np.full((rows, LINE), ord("."), np.uint8)
        block[:, :10] = random.integers(ord(" "), ord("~") + 1, (rows, 10), np.uint8)
        block[:, 10] = ord(" ")
        powers = 10 ** np.arange(11, -1, -1)
        numbers = np.arange(start, start + rows)[:, np.newaxis]
        block[:, 11:23] = numbers // powers % 10 + ord("0")
        block[:, 24:98] = random.integers(ord("A"), ord("Z") + 1, (rows, 1), np.uint8)
        block[:, 99] = ord("\n")
        yield block.tobytes()


def generate(count: int, directory: Path, files: int, seed: int) -> None:
    """Create `directory`, and write `count` lines to files of similar size in it."""
    directory.mkdir(parents=True, exist_ok=True)
    for index in range(files):
        first, end = count * index // files, count * (index + 1) // files
        with directory.joinpath(f"part-{index:05d}").open("wb") as file:
            file.writelines(lines(first, end - first, seed))


def main() -> None:
    parser = argparse.ArgumentParser(description="Write lines of 100 bytes with random keys.")
    parser.add_argument("lines", type=int)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--files", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    generate(options.lines, options.directory, options.files, options.seed)


if __name__ == "__main__":
    main()
