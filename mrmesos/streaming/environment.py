"""The environment and the directory of a child, as Hadoop Streaming gives them."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mrmesos.api.context import Context
from mrmesos.api.split import FileSlice
from mrmesos.conf import JOB_NAME
from mrmesos.streaming.hadoop_names import both_names
from mrmesos.streaming.spec import StreamSpec

_OURS = (
    *("MRMESOS_", "MESOS_", "LIBPROCESS_"),
    # Variables of the worker itself. Unbuffered, each print of a child in Python would cost a call
    # of the kernel. With our encoding, the child's text would not follow its own locale.
    *("MALLOC_", "ARROW_", "PYTHONUNBUFFERED", "PYTHONIOENCODING"),
)
"""Variables with these beginnings are for the engine. Some are secret."""
OUTPUT_DIR = "mapreduce.output.fileoutputformat.outputdir"
TRUNCATE = "stream.jobconf.truncate.limit"
_LONGEST = 30_000
"""Most characters of a variable. No program starts with a variable of over 128 KiB (Linux'
MAX_ARG_STRLEN).
"""
_COPIED_BYTES = 16 << 20
_VARIABLE = re.compile(r"([A-Za-z_][0-9A-Za-z_]*)=([^,]*)")
_NAMED = re.compile(r"\$([A-Za-z_][0-9A-Za-z_]*)")
_NOT_NAME = re.compile(r"[^0-9A-Za-z_]")


def child_environment(spec: StreamSpec, context: Context, input_uri: str = "") -> dict[str, str]:
    """The variables of one child: the worker's, the job's settings, the attempt, `-cmdenv`.

    In a setting's name, each character that is no letter or digit becomes an underscore.
    """
    facts = context.facts
    properties = {
        "mapreduce.job.name": context.params.get(JOB_NAME.name, ""),
        "mapreduce.job.maps": str(facts.num_maps),
        **spec.properties,
        "mapreduce.job.id": facts.job_id,
        "mapreduce.task.id": facts.task_id,
        "mapreduce.task.attempt.id": facts.attempt_id,
        "mapreduce.task.ismap": "true" if facts.kind == "map" else "false",
        "mapreduce.task.partition": str(facts.index),
        "mapreduce.job.reduces": str(facts.num_reducers),
    }
    output = spec.properties.get(OUTPUT_DIR, "")
    if output:
        place = output.removeprefix("file://")
        properties["mapreduce.task.output.dir"] = f"{place}/_temporary/{facts.attempt_id}"
    if input_uri:
        properties["mapreduce.map.input.file"] = input_uri
        properties |= _slice(context, input_uri)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    limit = spec.properties.get(TRUNCATE, "").strip()
    most = int(limit) if limit.isdigit() else _LONGEST
    known = inherited | as_variables(both_names(properties), most)
    return known | task_variables(spec.properties, facts.kind, known) | spec.environment


def task_variables(
    properties: Mapping[str, str], kind: str, known: Mapping[str, str]
) -> dict[str, str]:
    """The variables of `mapreduce.map.env=A=1,B=$A:2`, of `mapreduce.map.env.A=1`, and of reduces.

    As in Hadoop, `mapred.child.env` counts for a kind that has no list of its own.
    """
    name = f"mapreduce.{kind}.env"
    listed = properties.get(name, properties.get("mapred.child.env", ""))
    given = dict(_VARIABLE.findall(listed))
    given |= {
        key.removeprefix(f"{name}."): value
        for key, value in properties.items()
        if key.startswith(f"{name}.")
    }
    found: dict[str, str] = {}
    for key, value in given.items():
        found[key] = _NAMED.sub(lambda each: {**known, **found}.get(each[1], ""), value)
    return found


def _slice(context: Context, uri: str) -> dict[str, str]:
    """The offset and the length of the map's part of the file (bytes)."""
    split, at = context.facts.split, max(0, context.input_offset)
    mine = [each for each in split.slices if each.uri == uri] if split else []
    if split is None or not mine:
        return {"mapreduce.map.input.start": str(at)}
    piece = max((each for each in mine if each.start <= at), default=mine[0], key=_start)
    length = piece.length
    if length < 0:  # a file that cannot be cut
        length = split.length if len(split.slices) == 1 else 0
    return {
        "mapreduce.map.input.start": str(piece.start),
        "mapreduce.map.input.length": str(length),
    }


def _start(piece: FileSlice) -> int:
    return piece.start


def as_variables(properties: Mapping[str, str], most: int = _LONGEST) -> dict[str, str]:
    """Settings as variables of an environment, cut off after `most` characters.

    A value with a NUL cannot be a variable, and is left out.
    """
    return {
        _NOT_NAME.sub("_", name): value[: min(most, _LONGEST)]
        for name, value in properties.items()
        if "\0" not in value and "\0" not in name
    }


def child_directory(context: Context) -> Path:
    """A new working directory in the attempt's temporary one, with the job's files in it.

    Small files are copied, so that scripts can be run: the cache's files have no run bit, and
    belong to all jobs.
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
