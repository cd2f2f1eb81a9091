"""The directory of a chain. It holds the outputs that steps pass on to later steps.

Comes in: PrepareChain and CleanChain. Goes out: the events that answer them. Thread: the planner's.

`_chain.json` in the directory has a fingerprint of each step. A fingerprint is a hash of the step's
code, its settings and its inputs. An input from an earlier step counts with the fingerprint of that
step. If the output of a step is complete and its fingerprint is the same, the step need not run
again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from mrmesos.conf import SETTINGS, SKIP_RECORDS_MAX
from mrmesos.io.fs.filesystem import OutputError
from mrmesos.io.input.splits import expand_inputs
from mrmesos.io.output.commit import OutputCommitter
from mrmesos.io.output.output_dir import SUCCESS, OutputDirectory
from mrmesos.io.output.registry import check_output
from mrmesos.jobtracker.core.messages.commands import CleanChain, PrepareChain
from mrmesos.wire.chain import NOTES, ChainNotes, ChainSpec, StepNote, StepSpec, left_behind


def prepare(command: PrepareChain) -> tuple[str, ...]:
    """Check inputs and outputs, remove what is out of date, and write the notes.

    Returns the steps that need not run. Raises InputError and OutputError; then nothing was
    removed. It may run again after a crash.
    """
    spec, data = command.spec, OutputDirectory(command.spec.data)
    marks = fingerprints(spec)
    before = read_notes(data)
    ours = command.again and before is not None and before.chain_id == command.chain_id
    if data.exists() and not (spec.resume or spec.overwrite or ours):
        raise OutputError(left_behind(spec.data))
    known = before.steps if before is not None and spec.resume else {}
    kept = tuple(step.name for step in spec.steps if _is_done(step, marks, known))
    for step in spec.steps:
        check_output(step.job.output_format)
        if step.name not in kept and not spec.is_intermediate(step):
            _check_last(step, known, overwrite=spec.overwrite)
    if spec.resume:
        for step in spec.steps:
            if step.name not in kept and spec.is_intermediate(step):
                OutputCommitter(step.job.output).abort_job()
                OutputDirectory(step.job.output).remove("")
    else:
        data.remove("")
    notes = {
        step.name: StepNote(marks[step.name], job_id)
        for step, job_id in zip(spec.steps, command.job_ids, strict=True)
    }
    notes |= {name: known[name] for name in kept}
    data.make("")
    data.write(
        NOTES, msgspec.json.encode(ChainNotes(command.chain_id, notes, spec.hooks)), "created"
    )
    return kept


def clean(command: CleanChain) -> None:
    """Remove the directory. Raises OutputError."""
    OutputDirectory(command.spec.data).remove("")


def fingerprints(spec: ChainSpec) -> dict[str, str]:
    """The fingerprint of each step. Raises InputError if an input file is missing."""
    marks: dict[str, str] = {}
    outputs = {step.job.output: step.name for step in spec.steps}
    for step in spec.steps:
        inputs: list[tuple[str, str, int, str]] = []
        sampled = (uri for source in step.job.sampled for uri in source.uris)
        for uri in (*step.job.inputs, *sampled):
            if uri == spec.notes:
                continue
            if uri in outputs:
                inputs.append((uri, marks[outputs[uri]], 0, ""))
            else:
                files = expand_inputs([uri])
                inputs += [(each.uri, "", each.size, each.version) for each in files]
        facts = msgspec.json.encode([_facts(step), inputs])
        marks[step.name] = hashlib.sha256(facts).hexdigest()
    return marks


def _facts(step: StepSpec) -> list[object]:
    """All that decides what a step writes, except the contents of its inputs."""
    job = step.job
    decides = {
        name: value
        for name, value in sorted(job.conf.items())
        if name not in SETTINGS or name == SKIP_RECORDS_MAX.name
    }
    files = sorted((file.kind, file.name, file.sha256) for file in job.files)
    formats = [job.all_sources(), job.input_format, job.output_format]
    return [step.identity, job.python, job.num_reducers, decides, files, formats]


def read_notes(data: OutputDirectory) -> ChainNotes | None:
    """The notes of an earlier run. None if there are none that can be used."""
    if not data.exists(NOTES):
        return None
    try:
        return msgspec.json.decode(data.read(NOTES, "looked at"), type=ChainNotes)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None  # not of this release: all steps run again


def _is_done(step: StepSpec, marks: Mapping[str, str], known: Mapping[str, StepNote]) -> bool:
    note = known.get(step.name)
    same = note is not None and note.fingerprint == marks[step.name]
    return same and OutputDirectory(step.job.output).exists(SUCCESS)


def _check_last(step: StepSpec, known: Mapping[str, StepNote], *, overwrite: bool) -> None:
    """Check that the output of a last step, which no other reads, is absent.

    An earlier run of the same step may have left output there because its JobTracker died. That
    output is removed.
    """
    committer = OutputCommitter(step.job.output, overwrite=overwrite)
    note = known.get(step.name)
    if note is not None and committer.is_owned_by(note.job_id):
        committer.abort_job()
    committer.check_absent()
