"""Checks before a job starts: its input and output files, and the Mesos master."""

from __future__ import annotations

from collections.abc import Sequence

from mrmesos.client.terminal.errors import UsageProblem, reason


def check_files(inputs: Sequence[str], output: str, *, overwrite: bool = False) -> None:
    """Raise UsageProblem if an input is missing, or if the output exists or cannot be written."""
    from mrmesos.io.fs.filesystem import InputError, OutputError
    from mrmesos.io.input.splits import expand_inputs
    from mrmesos.io.output.commit import OutputCommitter

    try:
        expand_inputs(inputs)
        OutputCommitter(output, overwrite=overwrite).check_absent()
    except (InputError, OutputError) as problem:
        raise UsageProblem(str(problem)) from problem


def check_master(master: str) -> None:
    """Raise UsageProblem if no master answers. A zk:// address is not checked."""
    if master.startswith("zk://"):
        return
    import http.client

    from mrmesos.mesos.addresses import parse_master

    try:
        connection = http.client.HTTPConnection(parse_master(master), timeout=5.0)
        connection.request("GET", "/version")
        said = connection.getresponse().read(4096)
        connection.close()
    except ValueError as problem:
        raise UsageProblem(f"--master: {problem}") from None
    except (OSError, http.client.HTTPException) as problem:
        why = reason(problem)
        raise UsageProblem(f"--master {master}: no Mesos master answers there: {why}") from None
    if b"mrmesos JobTracker" in said:
        raise UsageProblem(f"--master {master} is a JobTracker; name it with --jobtracker")
