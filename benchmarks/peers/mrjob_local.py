"""mrjob's local runner, which starts a process for each task: two at a time."""

import sys
from collections.abc import Iterator
from typing import Any

from mrjob.job import MRJob
from mrjob.protocol import RawValueProtocol, TextProtocol


class Summing(MRJob):
    """Both jobs in one class: the runner calls this script for each task, with `--operation`."""

    INPUT_PROTOCOL = RawValueProtocol
    OUTPUT_PROTOCOL = TextProtocol

    def configure_args(self) -> None:
        super().configure_args()
        self.add_passthru_arg("--operation")

    def mapper(self, _: Any, line: str) -> Iterator[tuple[str, int]]:
        if self.options.operation != "groupsum":
            for word in line.split():
                yield word, 1
        else:
            key, _, number = line.partition("\t")
            yield key, int(number)

    def combiner(self, key: str, numbers: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield key, sum(numbers)

    def reducer(self, key: str, numbers: Iterator[int]) -> Iterator[tuple[str, str]]:
        yield key, str(sum(numbers))


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments[0] in ("wordcount", "mrjob", "groupsum"):
        operation, source, target = arguments
        arguments = ["-r", "local", "--num-cores", "2", "--no-conf", "--operation", operation]
        arguments += ["--output-dir", target, source]
    Summing(args=arguments).execute()
