"""Named outputs of an attempt (`context.output(name)`), committed together with its part file."""

from __future__ import annotations

import contextlib
from sys import getsizeof
from typing import Any

import pyarrow as pa

from mrmesos.api.context import Context
from mrmesos.api.custom_formats import RecordWriter
from mrmesos.api.formats import OutputFormat
from mrmesos.api.job import Job, JobError, named_output
from mrmesos.io.columns.encode import ColumnEncoder
from mrmesos.io.columns.signed import unmarked
from mrmesos.io.fs.filesystem import OutputError
from mrmesos.io.output.commit import OutputCommitter
from mrmesos.io.output.writer import Writer
from mrmesos.task.drivers.part_files import open_part_file, part_name
from mrmesos.wire.ids import TaskKind, parse_attempt
from mrmesos.wire.job import JobFacts
from mrmesos.wire.task import Attempt

_PAIRS_AT_ONCE = 1 << 12
_BYTES_AT_ONCE = 4 << 20


class NamedOutputs:
    """All named outputs of one attempt. The first write to an output creates its file."""

    def __init__(self, attempt: Attempt, facts: JobFacts, job: Job, context: Context) -> None:
        self.context = context
        self._attempt = attempt
        self._facts = facts
        self._job = job
        self._open: dict[str, _Output] = {}

    def open(self, name: str) -> _Output:
        """See Context.output. Raises JobError."""
        if name in self._open:
            return self._open[name]
        job = type(self._job)
        fmt = named_output(job, name)
        kind = parse_attempt(self._attempt.attempt_id).kind
        if kind is TaskKind.MAP and self._facts.spec.num_reducers:
            raise JobError(
                f"the mapper of {job.__name__} writes to the output {name!r}, but this job has "
                "reduces: only its reducer may write to named outputs"
            )
        output = _Output(self, name, fmt)
        self._open[name] = output
        return output

    @property
    def faulty(self) -> bool:
        """Whether a write to one of the outputs has failed."""
        return any(output.fault is not None for output in self._open.values())

    def create(self, name: str, fmt: OutputFormat | RecordWriter, suffix: str = "") -> Writer:
        """The attempt's part file of this output. Raises OutputError."""
        attempt = parse_attempt(self._attempt.attempt_id)
        committer = OutputCommitter(self._facts.spec.output)
        directory = committer.attempt_dir(self._attempt.attempt_id)
        with contextlib.suppress(OSError):  # it exists already, or opening the file fails next
            committer.writing.mkdir(directory, create_parents=False)
        path = f"{directory}/{name}/{part_name(fmt, attempt)}{suffix}"
        return open_part_file(fmt, committer.writing, path, attempt, self._facts.pickle_key)

    def close(self) -> dict[str, int]:
        """Finish the files. Returns `task` counters. Raises OutputError, RecordTypeError."""
        if not self._open:
            return {}
        sizes = [output.close() for output in self._open.values()]
        records, nbytes = (sum(each) for each in zip(*sizes, strict=True))
        return {"NAMED_OUTPUT_RECORDS": records, "NAMED_OUTPUT_BYTES": nbytes}

    @property
    def pickled(self) -> int:
        """The number of records in files with pickled columns, after `close`."""
        return sum(output.pickled for output in self._open.values())

    def abort(self) -> None:
        """Close without finishing.

        If a write failed, this raises the error of the write. The error went through user code,
        which is not to blame for it.
        """
        for output in self._open.values():
            output.abort()
        for output in self._open.values():
            if output.fault is not None:
                raise output.fault


class _Output:
    """See NamedOutput."""

    def __init__(self, outputs: NamedOutputs, name: str, fmt: OutputFormat | RecordWriter) -> None:
        self._outputs, self._name, self._format = outputs, name, fmt
        self._writer: Writer | None = None
        self.fault: OutputError | None = None
        self._encoder = ColumnEncoder()
        self._keys: list[Any] = []
        self._values: list[Any] = []
        self._bytes = 0

    def write(self, key: Any, value: Any) -> None:
        self._keys.append(key)
        self._values.append(value)
        self._bytes += getsizeof(key) + getsizeof(value)
        if len(self._keys) >= _PAIRS_AT_ONCE or self._bytes >= _BYTES_AT_ONCE:
            self._flush()

    def write_batch(self, batch: pa.RecordBatch) -> None:
        self._flush()
        self._put(batch if self._outputs.context.given_pickles else unmarked(batch))

    def _flush(self) -> None:
        keys, values = self._keys, self._values
        self._keys, self._values, self._bytes = [], [], 0
        for batch in self._encoder.encode(keys, values):
            self._put(batch)

    def _put(self, batch: pa.RecordBatch) -> None:
        try:
            if self._writer is None:
                self._writer = self._outputs.create(self._name, self._format)
            self._writer.write(batch)
        except OutputError as exc:
            self.fault = exc
            raise

    def close(self) -> tuple[int, int]:
        """Finish the file. Returns its records and bytes, 0 if nothing was written."""
        self._flush()
        return (0, 0) if self._writer is None else self._writer.close()

    @property
    def pickled(self) -> int:
        """See Writer."""
        return 0 if self._writer is None else self._writer.pickled

    def abort(self) -> None:
        """Close without finishing. Never raises."""
        if self._writer is not None:
            self._writer.abort()
