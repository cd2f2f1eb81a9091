"""One process, one thread, everything in memory: what a line of Python costs."""

import sys
from collections import Counter
from pathlib import Path


def read(source: Path) -> bytes:
    if source.is_dir():
        return b"".join(path.read_bytes() for path in sorted(source.iterdir()))
    return source.read_bytes()


def wordcount(source: Path, target: Path) -> None:
    counts = Counter(read(source).split())
    with target.open("wb") as output:
        output.writelines(b"%s\t%d\n" % item for item in counts.items())


def sort(source: Path, target: Path) -> None:
    lines = read(source).splitlines(keepends=True)
    lines.sort()
    with target.open("wb") as output:
        output.writelines(lines)


def groupsum(source: Path, target: Path) -> None:
    sums: dict[bytes, int] = {}
    with source.open("rb") as lines:
        for line in lines:
            key, _, number = line.partition(b"\t")
            sums[key] = sums.get(key, 0) + int(number)
    with target.open("wb") as output:
        output.writelines(b"%s\t%d\n" % item for item in sums.items())


def main() -> None:
    operation, source, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    target.mkdir()
    jobs = {
        "wordcount": wordcount,
        "wordcount-tabs": wordcount,
        "sort": sort,
        "groupsum": groupsum,
    }
    jobs[operation](source, target / "part-0")


if __name__ == "__main__":
    main()
