"""Checks before a job starts: its input and output files, and the Mesos master."""

from __future__ import annotations

from collections.abc import Sequence

from mrmesos.api.hooks import AFTER
from mrmesos.client.access import pickle_key
from mrmesos.client.code.job_files import JobFiles
from mrmesos.client.code.loading import LoadedChain, LoadedJob, load_target
from mrmesos.client.options import Options, make_spec
from mrmesos.client.terminal.errors import UsageProblem, reason
from mrmesos.conf import OUTPUT_OVERWRITE
from mrmesos.io.code.origins import MODULES_SUFFIX
from mrmesos.wire.chain import ChainSpec, left_behind
from mrmesos.wire.job import FileKind, JobFile, JobSpec


def gathered(options: Options) -> JobFiles:
    """The files of the job. Its modules can be imported here from then on. Raises UsageProblem."""
    files = JobFiles()
    try:
        files.add(FileKind.FILE, options.files)
        files.add(FileKind.ARCHIVE, options.archives)
        files.add(FileKind.PYTHON, options.py_files)
        files.import_here()
    except BaseException:
        files.close()
        raise
    return files


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


def check_chain_files(inputs: Sequence[str], spec: ChainSpec) -> None:
    """The same for a chain. The JobTracker checks the parts that depend on an earlier run."""
    from mrmesos.io.fs.filesystem import InputError, OutputError
    from mrmesos.io.input.splits import expand_inputs
    from mrmesos.io.output.commit import OutputCommitter
    from mrmesos.io.output.output_dir import OutputDirectory

    try:
        expand_inputs(inputs)
        if spec.resume:
            return
        if OutputDirectory(spec.data).exists() and not spec.overwrite:
            raise OutputError(left_behind(spec.data))
        for step in spec.steps:
            if not spec.is_intermediate(step):
                OutputCommitter(step.job.output, overwrite=spec.overwrite).check_absent()
    except (InputError, OutputError) as problem:
        raise UsageProblem(str(problem)) from problem


def load_checked(
    options: Options, inputs: Sequence[str], files: JobFiles
) -> tuple[LoadedJob | LoadedChain, JobSpec | ChainSpec]:
    """Load the job or chain, add its modules to `files`, and describe it for the JobTracker, after
    a check of all files. Raises UsageProblem.
    """
    loaded = load_target(
        options.target,
        options.overrides,
        options.job_args,
        inputs,
        cached=files.cached,
        files=files,
        pickle_key=pickle_key(options.jobtracker, options.of_client),
        site=options.site,
        output=options.output,
    )
    files.add_modules(options.target.script.stem + MODULES_SUFFIX, loaded.modules)
    return loaded, _checked_spec(options, loaded, files.files)


def _checked_spec(
    options: Options, loaded: LoadedJob | LoadedChain, files: tuple[JobFile, ...]
) -> JobSpec | ChainSpec:
    """The description for the JobTracker, after a check of all files. Raises UsageProblem."""
    if isinstance(loaded, LoadedJob):
        if options.resume:
            raise UsageProblem(f"--resume: {loaded.name} is a job and no chain of steps")
        uris = [uri for source in loaded.sources for uri in source.uris]
        check_files(uris, options.output, overwrite=loaded.conf.get_as(OUTPUT_OVERWRITE))
        return make_spec(options, loaded, files)
    from mrmesos.client.chain_spec import chain_key, make_chain_spec, read_files

    if options.detach and AFTER in loaded.hooks:
        raise UsageProblem(
            f"--detach: {loaded.name}.{AFTER} is for this process (InClient), which ends before "
            "the chain; make it AsTask(function), or leave out --detach"
        )
    spec = make_chain_spec(options, loaded, files, chain_key(options.output))
    check_chain_files(read_files(loaded), spec)
    return spec


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
