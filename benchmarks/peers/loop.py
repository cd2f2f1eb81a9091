"""The mapper's own generator in a plain loop: one process, one thread, a dict.

The mappers are those of `examples/wordcount/wordcount.py` and `benchmarks/jobs/groupsum.py`. They
are repeated here, so that no import of ours is measured. A test compares them.
"""

import sys
from collections.abc import Iterator
from pathlib import Path


class Tokenize:
    def map(self, key: int, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            yield word, 1


class Parse:
    def map(self, key: int, line: str) -> Iterator[tuple[str, int]]:
        name, _, number = line.partition("\t")
        yield name, int(number)


MAPPERS = {"wordcount": Tokenize, "wordcount-tabs": Tokenize, "groupsum": Parse}


def main() -> None:
    operation, source, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    target.mkdir()
    sums: dict[str, int] = {}
    mapper = MAPPERS[operation]()
    with source.open(encoding="utf-8", newline="\n") as lines:
        for number, line in enumerate(lines):
            for key, value in mapper.map(number, line):
                sums[key] = sums.get(key, 0) + value
    with (target / "part-0").open("w", encoding="utf-8") as output:
        output.writelines(f"{key}\t{value}\n" for key, value in sums.items())


if __name__ == "__main__":
    main()
