"""`mrmesos submit --dry-run`: what a submission would do, without doing it.

In: the options of a submission. Out: a Plan of each job, for the terminal or as JSON. It loads the
job and plans its splits with the code of a JobTracker. It starts no process, and writes only
temporary files. Thread: main.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from mrmesos.api.formats import InputFormat, OutputFormat, StepInput, StepOutput
from mrmesos.api.job import class_settings
from mrmesos.client.code.loading import LoadedJob, LoadedStep
from mrmesos.client.options import Options
from mrmesos.client.preflight import gathered, load_checked
from mrmesos.client.spool import reads_pipe
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.conf import SETTINGS, Conf
from mrmesos.conf.layers import Layers
from mrmesos.jobtracker.history.words import size
from mrmesos.wire.chain import ChainSpec
from mrmesos.wire.job import JobSpec

SPLITS_SHOWN = 20
NOTHING = "no files"
LATER = "for later steps"


class PlannedSplit(msgspec.Struct, frozen=True):
    """The input of one map: its bytes, the hosts that store them, and its files."""

    bytes: int
    hosts: tuple[str, ...]
    files: tuple[str, ...]


class PlannedInput(msgspec.Struct, frozen=True):
    """One input: its name (empty if there is only one), format, files and bytes."""

    name: str
    format: str
    files: int
    bytes: int


class PlannedSetting(msgspec.Struct, frozen=True):
    """A setting that does not have its default, and the origin of its value."""

    name: str
    value: str
    origin: str


class Sent(msgspec.Struct, frozen=True):
    """A file that travels with the job: `code` is the pickled job."""

    name: str
    kind: str
    bytes: int


class JobPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The job or step that would run. `splits` is None for a step that reads the output of earlier
    steps.
    """

    name: str
    runs_on: str
    inputs: tuple[PlannedInput, ...]
    splits: tuple[PlannedSplit, ...] | None
    reduces: int
    output: str
    output_format: str
    settings: tuple[PlannedSetting, ...]
    sent: tuple[Sent, ...]


def dry_run(options: Options, layers: Layers) -> list[JobPlan]:
    """Plan the job, or each step of the chain. Raises UsageProblem as `submit` does."""
    for given in options.inputs:
        if reads_pipe(given):
            raise UsageProblem(f"--dry-run reads no pipe, so it cannot plan --input {given}")
    files = gathered(options)
    try:
        loaded, spec = load_checked(options, options.inputs, files)
        if isinstance(loaded, LoadedJob):
            assert isinstance(spec, JobSpec)
            return [_plan(options, layers, loaded, spec)]
        assert isinstance(spec, ChainSpec)
        steps: list[tuple[LoadedStep, JobSpec]] = [
            (step, each.job) for step, each in zip(loaded.steps, spec.steps, strict=True)
        ]
        return [_plan(options, layers, step.loaded, job, spec.notes) for step, job in steps]
    finally:
        files.close()


def _plan(
    options: Options, layers: Layers, loaded: LoadedJob, spec: JobSpec, notes: str = ""
) -> JobPlan:
    from mrmesos.io.fs.filesystem import InputError
    from mrmesos.io.input.splits import expand_inputs, plan_sources

    sources = spec.all_sources()
    if spec.inputs == (notes,):  # a hook, or a step that finds cut points
        inputs = [PlannedInput("", NOTHING, 0, 0)]
        splits = None
    elif any(isinstance(each.format, StepInput) for each in sources):
        inputs = [PlannedInput(each.name, "an earlier step", 0, 0) for each in sources]
        splits = None
    else:
        try:
            found = {each.name: expand_inputs(each.uris) for each in sources}
            planned = plan_sources(sources, Conf(spec.conf)).splits
        except InputError as problem:
            raise UsageProblem(str(problem)) from problem
        inputs = [
            PlannedInput(
                each.name,
                _format(each.format),
                len(found[each.name]),
                sum(max(0, file.size) for file in found[each.name]),
            )
            for each in sources
        ]
        splits = tuple(
            PlannedSplit(one.length, one.hosts, tuple(dict.fromkeys(s.uri for s in one.slices)))
            for one in planned
        )
    return JobPlan(
        name=spec.name,
        runs_on=_runs_on(options),
        inputs=tuple(inputs),
        splits=splits,
        reduces=spec.num_reducers,
        output=spec.output,
        output_format=_format(spec.output_format),
        settings=tuple(_settings(layers, loaded)),
        sent=(
            Sent(options.target.script.name, "code", len(loaded.code)),
            *(Sent(file.name, file.kind.value, file.size) for file in spec.files),
        ),
    )


def _runs_on(options: Options) -> str:
    if options.jobtracker:
        return f"the JobTracker at {options.jobtracker}"
    if options.master:
        return f"the Mesos master {options.master}, with a JobTracker of its own"
    agents = options.local_agents
    return f"this machine, with {agents} agent{'s'[: agents != 1]}"


def _settings(layers: Layers, loaded: LoadedJob) -> Iterator[PlannedSetting]:
    """The settings and parameters that differ from the defaults."""
    given, own = layers.all(), class_settings(type(loaded.job))
    for name, text in sorted(loaded.conf.items()):
        setting = SETTINGS.get(name)
        if setting is not None and setting.parse(text) == setting.default:
            continue
        is_own = name in own and name not in layers.above
        origin = given[name].origin if name in given and not is_own else "the job's class"
        yield PlannedSetting(name, text, origin)


def _format(fmt: InputFormat | OutputFormat) -> str:
    """The format, with its fields that differ from their defaults."""
    if isinstance(fmt, StepOutput):
        return LATER  # its key is a secret
    fields = (f"{n}={v!r}" for n, v in msgspec.structs.asdict(fmt).items() if v != _default(fmt, n))
    return f"{type(fmt).__name__}({', '.join(fields)})"


def _default(fmt: InputFormat | OutputFormat, name: str) -> object:
    info = next(field for field in msgspec.structs.fields(fmt) if field.name == name)
    if info.default_factory is not msgspec.NODEFAULT:
        return info.default_factory()
    return info.default


def plan_lines(plan: JobPlan) -> Iterator[str]:
    """The plan for the terminal."""
    yield plan.name
    yield f"  runs on   {plan.runs_on}"
    for each in plan.inputs:
        name = f"{each.name}: " if each.name else ""
        amount = f", {each.files:,} files, {_amount(each.bytes)}" if each.files else ""
        yield f"  input     {name}{each.format}{amount}"
    if [each.format for each in plan.inputs] == [NOTHING]:
        yield "  maps      1"
    elif plan.splits is None:
        yield "  maps      known when the earlier steps have ended"
    else:
        yield f"  maps      {len(plan.splits):,}"
    yield f"  reduces   {plan.reduces:,}"
    yield f"  output    {plan.output}, {plan.output_format}"
    for title, rows in (
        ("settings", [f"{s.name} = {s.value}  ({s.origin})" for s in plan.settings]),
        ("sent", [f"{s.kind}: {s.name}, {_amount(s.bytes)}" for s in plan.sent]),
        ("splits", list(_split_lines(plan.splits or ()))),
    ):
        for number, row in enumerate(rows):
            yield f"  {title if number == 0 else '':<8}  {row}"


def _split_lines(splits: tuple[PlannedSplit, ...]) -> Iterator[str]:
    for number, split in enumerate(splits[:SPLITS_SHOWN]):
        more = f" and {len(split.files) - 1:,} more" if len(split.files) > 1 else ""
        hosts = f"  on {', '.join(split.hosts)}" if split.hosts else ""
        yield f"{number}: {_amount(split.bytes)}  {split.files[0]}{more}{hosts}"
    if len(splits) > SPLITS_SHOWN:
        yield f"… and {len(splits) - SPLITS_SHOWN:,} more (--json has all)"


def _amount(number: int) -> str:
    """Bytes for people: `12.3 MiB`."""
    return f"{number:,} bytes" if number < 1024 else size(number)
