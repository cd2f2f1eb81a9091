"""The JobSpec that tests submit. Each test names only the fields that it is about."""

from __future__ import annotations

from typing import Any

from mrmesos.api.formats import TextInput, TextOutput
from mrmesos.io.shuffle.key_hash import KEY_HASH
from mrmesos.wire.job import JobSpec


def job_spec(**fields: Any) -> JobSpec:
    """A job with one reduce that reads and writes text, with these fields of JobSpec instead."""
    usual = {
        "name": "n",
        "user": "u",
        "inputs": ("file:///in",),
        "output": "file:///out",
        "input_format": TextInput(),
        "output_format": TextOutput(),
        "num_reducers": 1,
        "conf": {},
        "code": "0" * 64,
        "key_hash": KEY_HASH,
    }
    return JobSpec(**{**usual, **fields})


SPEC = job_spec()
