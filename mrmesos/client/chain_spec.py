"""The description of a chain for the JobTracker, made from the loaded chain."""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
from pathlib import Path

from msgspec.structs import replace

from mrmesos.access.identity import current_user
from mrmesos.api.formats import Source, StepInput, StepOutput, WholeFileInput
from mrmesos.api.hooks import AFTER, BEFORE
from mrmesos.client.code.loading import NOTHING, LoadedChain, LoadedStep, step_uri
from mrmesos.client.kept_jobs import history_dir, usable
from mrmesos.client.options import Options, make_spec
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.conf import OUTPUT_OVERWRITE
from mrmesos.wire.chain import NOTES, ChainSpec, StepSpec
from mrmesos.wire.job import JobFile

KEY_FILE = "chain.key"
_KEY_BYTES = 32


def data_uri(output: str) -> str:
    """The directory for the data between the steps. It is beside the output, on the same
    filesystem.
    """
    above, slash, name = output.rstrip("/").rpartition("/")
    if not slash or above.endswith((":/", ":")) or not name:
        raise UsageProblem(
            f"--output {output}: the steps of a chain keep their data beside the output; name a "
            "directory below another"
        )
    return f"{above}/_{name}_steps"


def step_output(options: Options, chain: LoadedChain, step: LoadedStep) -> str:
    """The URI of a step's output."""
    if not step.is_last:
        return f"{data_uri(options.output)}/{step.name}"
    alone = sum(each.is_last for each in chain.steps) == 1
    return options.output if alone else f"{options.output.rstrip('/')}/{step.name}"


def make_chain_spec(
    options: Options, chain: LoadedChain, files: tuple[JobFile, ...], key: str
) -> ChainSpec:
    """Build the description. `key` signs the data between the steps."""
    outputs = {step_uri(s.name): step_output(options, chain, s) for s in chain.steps}
    outputs[NOTHING] = f"{data_uri(options.output)}/{NOTES}"
    signing = StepInput(key), StepOutput(key)
    steps = tuple(_step(options, chain, step, files, outputs, signing) for step in chain.steps)
    return ChainSpec(
        name=chain.name,
        user=current_user(),
        output=options.output,
        data=data_uri(options.output),
        steps=steps,
        resume=options.resume,
        overwrite=chain.conf.get_as(OUTPUT_OVERWRITE),
        hooks={BEFORE: chain.hooks[BEFORE].mark} if BEFORE in chain.hooks else {},
        keep_data=AFTER in chain.hooks,
    )


def read_files(chain: LoadedChain) -> list[str]:
    """The URIs of all files that the steps read, except outputs of steps."""
    sources = [source for step in chain.steps for source in step.loaded.sources]
    files = [source for source in sources if not isinstance(source.format, StepInput)]
    return [uri for uri in dict.fromkeys(u for s in files for u in s.uris) if uri != NOTHING]


def _step(
    options: Options,
    chain: LoadedChain,
    step: LoadedStep,
    files: tuple[JobFile, ...],
    outputs: dict[str, str],
    signing: tuple[StepInput, StepOutput],
) -> StepSpec:
    reads, writes = signing
    spec = make_spec(options, step.loaded, files)
    kept = isinstance(spec.output_format, StepOutput)  # by a session, for the jobs that follow
    sources = tuple(
        Source(
            each.name,
            tuple(outputs.get(uri, uri) for uri in each.uris),
            reads if isinstance(each.format, StepInput) else each.format,
        )
        for each in step.loaded.sources
    )
    spec = replace(
        spec,
        name=f"{chain.name}/{step.name}",
        output=outputs[step_uri(step.name)],
        inputs=tuple(uri for source in sources for uri in source.uris),
        sources=sources if step.loaded.job.inputs else (),
        input_format=spec.input_format if step.loaded.job.inputs else sources[0].format,
        output_format=spec.output_format if step.is_last and not kept else writes,
    )
    if step.samples:
        spec = replace(
            spec,
            inputs=(outputs[NOTHING],),
            sources=(),
            input_format=WholeFileInput(),
            num_reducers=0,
            sampled=sources,
        )
    elif step.cut_points:
        found = outputs[step_uri(step.cut_points)]
        spec = replace(spec, cut_points=Source("", (found,), reads))
    return StepSpec(
        name=step.name, job=spec, identity=step.identity, after=step.after, fused=step.fused
    )


def chain_key(output: str) -> str:
    """The key of the chains with this output: always the same for a user of this machine, so that
    `--resume` can read the data of an earlier run. It is a random key if none can be kept.
    """
    try:
        secret = _secret(usable(history_dir()) / KEY_FILE)
    except OSError:
        secret = secrets.token_bytes(_KEY_BYTES)
    return hmac.digest(secret, output.encode(), "sha256").hex()


def _secret(path: Path) -> bytes:
    """The user's own secret, which is made when it is first needed. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        return _read(path)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_bytes(_KEY_BYTES))
    try:
        with contextlib.suppress(FileExistsError):  # another process was first
            path.hardlink_to(part)
    finally:
        part.unlink()
    return _read(path)


def _read(path: Path) -> bytes:
    secret = path.read_bytes()
    if len(secret) != _KEY_BYTES:
        raise OSError(f"{path} is damaged")
    return secret
