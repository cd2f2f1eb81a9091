"""One call of a command of `hadoop fs`: its options, its paths, and its failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mrmesos.hadoop.stores import Entry, FsFailed, Stores


class WrongUse(Exception):
    """The user has to change the command line."""


class Call:
    """The options and paths of a call. Commands go on after a path that failed, as Hadoop's do."""

    def __init__(self, name: str, stores: Stores) -> None:
        self.name, self.stores = name, stores
        self.options: set[str] = set()
        self.paths: list[str] = []
        self.failures: list[FsFailed] = []
        self.code = 0

    def read(self, words: Sequence[str], known: Sequence[str], given: Mapping[str, bool]) -> None:
        """Read options up to the first path. Raises WrongUse."""
        self.options |= {name for name, on in given.items() if on}
        rest = list(words)
        while rest and rest[0].startswith("-") and len(rest[0]) > 1:
            word = rest.pop(0)
            if word == "--":
                break
            option = word[1:]
            if option in known:
                self.options.add(option)
            elif option and all(letter in known for letter in option):
                self.options |= set(option)
            else:
                raise WrongUse(f"Illegal option {word}")
        self.paths = rest

    def has(self, *options: str) -> bool:
        """Whether one of these options was given."""
        return bool(self.options.intersection(options))

    def entries(self, paths: Sequence[str] | None = None) -> list[Entry]:
        """The entries of all paths. A path that names nothing is a failure, and the others go
        on.
        """
        found: list[Entry] = []
        for path in self.paths if paths is None else paths:
            try:
                found += self.stores.matching(path)
            except FsFailed as problem:
                self.failures.append(problem)
        return found

    def fail(self, text: str) -> None:
        """Note that one path failed."""
        self.failures.append(FsFailed(text))
