"""The environment and the directory of a child, as Hadoop Streaming gives them."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mrmesos.api.context import Context
from mrmesos.streaming.hadoop_names import both_names
from mrmesos.streaming.spec import StreamSpec

_OURS = ("MRMESOS_", "MESOS_", "LIBPROCESS_")
"""Variables of these names tell of the engine, and some are secret."""
_COPIED_BYTES = 16 << 20
_NOT_NAME = re.compile(r"[^0-9A-Za-z_]")


def child_environment(spec: StreamSpec, context: Context, input_uri: str = "") -> dict[str, str]:
    """The variables of one child: the worker's, the job's settings, the attempt, `-cmdenv`.

    A dot in a setting's name becomes an underscore, as do all characters but letters and digits.
    """
    facts = context.facts
    properties = {
        **spec.properties,
        "mapreduce.job.id": facts.job_id,
        "mapreduce.task.id": facts.task_id,
        "mapreduce.task.attempt.id": facts.attempt_id,
        "mapreduce.task.ismap": "true" if facts.kind == "map" else "false",
        "mapreduce.task.partition": str(facts.index),
        "mapreduce.job.reduces": str(facts.num_reducers),
    }
    if input_uri:
        properties["mapreduce.map.input.file"] = input_uri
        properties["mapreduce.map.input.start"] = str(max(0, context.input_offset))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return inherited | as_variables(both_names(properties)) | spec.environment


def as_variables(properties: Mapping[str, str]) -> dict[str, str]:
    """Settings as variables of an environment. A value with a NUL cannot be one and is left out."""
    return {
        _NOT_NAME.sub("_", name): value
        for name, value in properties.items()
        if "\0" not in value and "\0" not in name
    }


def child_directory(context: Context) -> Path:
    """A new working directory in the attempt's temporary one, with the job's files in it.

    Files are copied where they are small, so that scripts can be run: the cache's files have no run
    bit, and belong to all jobs.
    """
    directory = Path(tempfile.mkdtemp(prefix="streaming-"))
    for name, path in context.facts.files.items():
        place = directory / name
        if path.is_dir() or path.stat().st_size > _COPIED_BYTES:
            place.symlink_to(path)
        else:
            shutil.copyfile(path, place)
            place.chmod(0o700)
    return directory
