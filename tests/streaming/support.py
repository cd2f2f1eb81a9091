"""Streaming jobs for tests: from a command line to the job's class."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from mrmesos.api import Job
from mrmesos.streaming.job_script import job_script
from mrmesos.streaming.options import StreamingOptions, parse_options

PYTHON = sys.executable


def options(*words: str) -> StreamingOptions:
    """The options of a command line to which input and output are added."""
    return parse_options(("-input", "in", "-output", "out", *words))


def job_class(*words: str) -> type[Job]:
    """The job's class of a command line."""
    module = ModuleType("streaming_job")
    exec(job_script(options(*words)), vars(module))
    found: type[Job] = module.StreamJob
    return found


def script(directory: Path, name: str, text: str) -> Path:
    """A program of Python, executable."""
    path = directory / name
    path.write_text(f"#!{PYTHON}\n{text}")
    path.chmod(0o755)
    return path


def lines(records: Sequence[tuple[object, object]]) -> list[tuple[bytes, bytes]]:
    """The records of a result as bytes."""
    return [(_bytes(key), _bytes(value)) for key, value in records]


def _bytes(given: object) -> bytes:
    return given if isinstance(given, bytes) else str(given).encode()
