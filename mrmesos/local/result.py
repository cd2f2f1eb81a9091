"""The result of a job that was run from Python: its output as records, a table or a dataset."""

from __future__ import annotations

import contextlib
import reprlib
import sys
import threading
from collections.abc import Iterator, Mapping
from html import escape
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mrmesos.api.chain import Chain
from mrmesos.api.context import Counters
from mrmesos.api.formats import CsvOutput, JsonLinesOutput, OutputFormat, StepOutput, output_data
from mrmesos.api.job import Job, JobError, named_output
from mrmesos.io.columns.schema import KEY, VALUE
from mrmesos.io.fs.scratch import Scratch
from mrmesos.io.input.read_back import input_of, output_files, read_file
from mrmesos.wire.task import AttemptError

if TYPE_CHECKING:
    import pyarrow.dataset as ds


SHOWN_RECORDS = 10
_shown = reprlib.Repr()
_shown.maxstring = _shown.maxother = 80


class JobFailed(Exception):
    """The job did not succeed. The message has its first real error.

    `error` has that error in parts (message, where, record, detail); None if it is not known.
    """

    def __init__(self, message: str, error: AttemptError | None = None) -> None:
        super().__init__(message)
        self.error = error


class JobKilled(JobFailed):
    """The job was killed."""


class Result:
    """The output of a job. A temporary output is deleted together with this object.

    In all methods, `output` names one of `Job.outputs`; an unknown name raises JobError. If several
    steps of a chain write output, `steps` has the Result of each, and this one has no records.
    """

    steps: Mapping[str, Result] = {}
    kept_with = ""
    """The key of the session, if it keeps the output for itself. Empty for all other outputs."""

    def __init__(
        self,
        job: type[Job] | None,
        job_id: str,
        uri: str,
        counters: Counters,
        scratch: Scratch | None = None,
        pickle_key: str = "",
    ) -> None:
        self._pickle_key = pickle_key
        self.job_id, self.uri, self.counters = job_id, uri, counters
        self._job, self._scratch = job, scratch

    def records(self, output: str = "") -> Iterator[tuple[Any, Any]]:
        """Keys and values of the main output, or of a named one, as Python objects.

        With `records=True` in the output format, keys are the positions of rows in their file.
        Pickled values come as objects if our own jobs signed them. Otherwise they come as bytes.
        Raises InputError.
        """
        fmt = self._format(output)
        for info in output_files(self._uri(output)):
            found = read_file(info, input_of(fmt), records=True, pickle_key=self._pickle_key)
            for given in found:
                with known_to_workers(self._writer):
                    keys, values = given.key_objects(), given.value_objects()
                if isinstance(fmt, JsonLinesOutput | CsvOutput) and not fmt.records:
                    yield from ((row[KEY], row[VALUE]) for row in values)
                else:
                    yield from zip(keys, values, strict=True)

    def table(self, output: str = "") -> pa.Table:
        """All records in memory: the columns `key` and `value`, or the columns of the records.

        Text output gives text columns. Raises InputError; ArrowInvalid if types of parts differ.
        """
        fmt = input_of(self._format(output))
        batches = [
            pa.Table.from_batches([given.columns])
            for info in output_files(self._uri(output))
            for given in read_file(info, fmt, records=False)
            if given.batch.num_rows
        ]
        return pa.concat_tables(batches, promote_options="permissive") if batches else pa.table({})

    def take(self, n: int, output: str = "") -> list[tuple[Any, Any]]:
        """The first `n` records. It reads only as much of the output as it needs."""
        return list(islice(self.records(output), n))

    def to_arrow(self, output: str = "") -> pa.Table:
        """The same as `table`."""
        return self.table(output)

    def to_pandas(self, output: str = "") -> Any:
        """The table as a pandas.DataFrame; needs pandas."""
        return self.table(output).to_pandas()

    def dataset(self, output: str = "") -> ds.Dataset:
        """The files as a lazy dataset; only for Parquet, Arrow and ORC."""
        import pyarrow.dataset as ds

        from mrmesos.io.fs.filesystem import open_filesystem
        from mrmesos.io.fs.local import LocalFiles

        kind = type(self._format(output)).__name__.removesuffix("Output").lower()
        if kind not in ("parquet", "arrow", "orc"):
            raise ValueError(f"{self._writer.__name__} writes no columns; use table()")
        found = output_files(self._uri(output))
        fs, _ = open_filesystem(self.uri)
        if isinstance(fs, LocalFiles):
            fs = None  # pyarrow's own
        return ds.dataset(
            [open_filesystem(info.uri)[1] for info in found], filesystem=fs, format=kind
        )

    def __repr__(self) -> str:
        name = ", ".join(self.steps) if self._job is None else self._job.__name__
        return f"<{type(self).__name__} of {name}: {self.job_id}{self._amount()} at {self.uri}>"

    def _amount(self) -> str:
        written = self.counters.get("task", {})
        for name in ("REDUCE_OUTPUT_RECORDS", "MAP_OUTPUT_RECORDS"):
            if name in written:
                return f", {written[name]:,} records"
        return ""

    def _repr_html_(self) -> str:
        """The display in a notebook: the facts, and the first records."""
        head = f"<p>{escape(repr(self))}</p>"
        if self._job is None:
            return head
        try:
            first = self.take(SHOWN_RECORDS)
        except Exception as problem:  # noqa: BLE001 (a notebook must show something)
            return f"{head}<p>its records cannot be read: {escape(str(problem))}</p>"
        rows = "".join(
            f"<tr><td>{escape(_shown.repr(key))}</td><td>{escape(_shown.repr(value))}</td></tr>"
            for key, value in first
        )
        return f"{head}<table><tr><th>key</th><th>value</th></tr>{rows}</table>"

    @property
    def _writer(self) -> type[Job]:
        if self._job is None:
            first = next(iter(self.steps))
            raise JobError(f"several steps write output: use steps[{first!r}] and so on")
        return self._job

    def _format(self, output: str) -> OutputFormat:
        job = self._writer
        return output_data(named_output(job, output) if output else job.output_format)

    def _uri(self, output: str) -> str:
        return f"{self.uri.rstrip('/')}/{output}" if output else self.uri


class KeptResult(Result):
    """A result that a session keeps. Its records have all types, and it ends with the session."""

    def __init__(
        self,
        job: type[Job],
        job_id: str,
        uri: str,
        counters: Counters,
        key: str,
        ended: threading.Event,
    ) -> None:
        super().__init__(job, job_id, uri, counters)
        self.kept_with, self._ended = key, ended

    def _format(self, output: str) -> OutputFormat:
        if self._ended.is_set():
            raise JobError(
                "the session has ended, and its results with it; run the job with output= to keep "
                "what it writes"
            )
        return super()._format(output) if output else StepOutput(self.kept_with)


def module_of(job: type[Job] | type[Chain]) -> ModuleType | None:
    """The module of the job if it has a file, which can be the script; else None."""
    module = sys.modules.get(job.__module__)
    if job.__module__ == "__main__" or not getattr(module, "__file__", None):
        return None
    return module if getattr(module, job.__qualname__, None) is job else None


@contextlib.contextmanager
def known_to_workers(job: type[Job]) -> Iterator[None]:
    """Make it possible to unpickle workers' objects: workers name the job's module by its file
    name.
    """
    module = module_of(job)
    names = ("mrmesos_job", Path(module.__file__ or "").stem) if module is not None else ()
    others = [
        each for each in names if each not in sys.modules and each not in sys.stdlib_module_names
    ]
    for each in others:
        sys.modules[each] = sys.modules[job.__module__]
    try:
        yield
    finally:
        for each in others:
            del sys.modules[each]
