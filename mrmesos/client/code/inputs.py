"""`--input URI` and `--input NAME=URI`: the URIs of a job's inputs."""

from __future__ import annotations

import os
from collections.abc import Sequence

from mrmesos.api.formats import Source, input_data
from mrmesos.api.job import Job
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.io.input.patterns import comma_list, uri_list


def absolute_uri(uri: str) -> str:
    """A path becomes a file URI. On a shared or local filesystem it names the same file
    everywhere.
    """
    return uri if "://" in uri or uri.startswith("file:/") else f"file://{os.path.abspath(uri)}"  # noqa: PTH100 (keeps globs)


def uris_of(text: str) -> list[str]:
    """The URIs of one `--input`: a local path that does not exist may be a list with commas.

    Raises UsageProblem if there are none.
    """
    found: list[str] = []
    for uri in uri_list(text):
        literal = "://" in uri or os.path.lexists(uri)
        found += map(absolute_uri, [uri] if literal else comma_list(uri))
    if not found:  # such as a shell's variable that is not set: no records would be read
        raise UsageProblem(f"--input {text!r}: names no file; write a path, a pattern or a URI")
    return found


def sources_of(job: type[Job], inputs: Sequence[str]) -> tuple[Source, ...]:
    """The job's inputs with their URIs. Raises UsageProblem.

    Only jobs with several inputs have names. For other jobs `year=2026/*` is a path.
    """
    if not job.inputs:
        uris = tuple(uri for given in inputs for uri in uris_of(given))
        return (Source("", uris, input_data(job.input_format)),)
    found: dict[str, list[str]] = {name: [] for name in job.inputs}
    names = ", ".join(found)
    for given in inputs:
        name, equals, uri = given.partition("=")
        if not equals or name not in found or not uri:
            raise UsageProblem(
                f"--input {given}: {job.__name__} has the inputs {names}; "
                f"write --input {next(iter(found))}=URI"
            )
        found[name] += uris_of(uri)
    if missing := [name for name, uris in found.items() if not uris]:
        raise UsageProblem(f"{job.__name__} needs --input {missing[0]}=URI as well")
    return tuple(
        Source(name, tuple(uris), input_data(job.inputs[name].format))
        for name, uris in found.items()
    )
