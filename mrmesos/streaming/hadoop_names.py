"""Names of Hadoop's settings: old to new, and new to ours.

Hadoop 2 renamed its settings (`mapred.reduce.tasks` became `mapreduce.job.reduces`) and still knows
the old names. If Hadoop has a setting, our name is its new name without `mapreduce.`. Source:
Hadoop 3.4, DeprecatedProperties.md and mapred-default.xml.
"""

from __future__ import annotations

from collections.abc import Mapping

from mrmesos.conf import SETTINGS

NEW_NAMES: Mapping[str, str] = {
    "mapred.job.name": "mapreduce.job.name",
    "mapred.job.queue.name": "mapreduce.job.queuename",
    "mapred.job.priority": "mapreduce.job.priority",
    "mapred.map.tasks": "mapreduce.job.maps",
    "mapred.reduce.tasks": "mapreduce.job.reduces",
    "mapred.map.max.attempts": "mapreduce.map.maxattempts",
    "mapred.reduce.max.attempts": "mapreduce.reduce.maxattempts",
    "mapred.map.tasks.speculative.execution": "mapreduce.map.speculative",
    "mapred.reduce.tasks.speculative.execution": "mapreduce.reduce.speculative",
    "mapred.reduce.slowstart.completed.maps": "mapreduce.job.reduce.slowstart.completedmaps",
    "mapred.max.split.size": "mapreduce.input.fileinputformat.split.maxsize",
    "mapred.min.split.size": "mapreduce.input.fileinputformat.split.minsize",
    "mapred.task.timeout": "mapreduce.task.timeout",
    "mapred.job.map.memory.mb": "mapreduce.map.memory.mb",
    "mapred.job.reduce.memory.mb": "mapreduce.reduce.memory.mb",
    "mapred.output.compress": "mapreduce.output.fileoutputformat.compress",
    "mapred.output.compression.codec": "mapreduce.output.fileoutputformat.compress.codec",
    "mapred.output.key.comparator.class": "mapreduce.job.output.key.comparator.class",
    "mapred.partitioner.class": "mapreduce.job.partitioner.class",
    "mapred.text.key.comparator.options": "mapreduce.partition.keycomparator.options",
    "mapred.text.key.partitioner.options": "mapreduce.partition.keypartitioner.options",
    "num.key.fields.for.partition": "mapreduce.partition.keypartitioner.num.key.fields",
    "map.output.key.field.separator": "mapreduce.map.output.key.field.separator",
    "mapred.textoutputformat.separator": "mapreduce.output.textoutputformat.separator",
    "mapred.line.input.format.linespermap": "mapreduce.input.lineinputformat.linespermap",
    "key.value.separator.in.input.line": (
        "mapreduce.input.keyvaluelinerecordreader.key.value.separator"
    ),
    "mapred.create.symlink": "mapreduce.job.cache.symlink.create",
    "mapred.job.tracker": "mapreduce.jobtracker.address",
    "fs.default.name": "fs.defaultFS",
    "user.name": "mapreduce.job.user.name",
    "io.sort.mb": "mapreduce.task.io.sort.mb",
    "io.sort.factor": "mapreduce.task.io.sort.factor",
    "mapred.compress.map.output": "mapreduce.map.output.compress",
    "mapred.skip.map.max.skip.records": "mapreduce.map.skip.maxrecords",
    "mapred.map.child.env": "mapreduce.map.env",
    "mapred.reduce.child.env": "mapreduce.reduce.env",
    "mapred.userlog.limit.kb": "mapreduce.task.userlog.limit.kb",
}
"""Hadoop's old names with the new ones."""

_OLD_NAMES: Mapping[str, str] = {
    **{new: old for old, new in NEW_NAMES.items()},
    "mapreduce.job.id": "mapred.job.id",
    "mapreduce.task.id": "mapred.tip.id",
    "mapreduce.task.attempt.id": "mapred.task.id",
    "mapreduce.task.ismap": "mapred.task.is.map",
    "mapreduce.task.partition": "mapred.task.partition",
    "mapreduce.map.input.file": "map.input.file",
    "mapreduce.map.input.start": "map.input.start",
    "mapreduce.map.input.length": "map.input.length",
    "mapreduce.output.fileoutputformat.outputdir": "mapred.output.dir",
    "mapreduce.input.fileinputformat.inputdir": "mapred.input.dir",
    "mapreduce.job.cache.files": "mapred.cache.files",
    "mapreduce.job.cache.archives": "mapred.cache.archives",
    "mapreduce.task.output.dir": "mapred.work.output.dir",
}

_OURS: Mapping[str, str] = {
    "mapreduce.job.queuename": "job.pool",
    "mapreduce.input.fileinputformat.split.maxsize": "split.maxsize",
    "mapreduce.input.fileinputformat.split.minsize": "split.minsize",
    "mapreduce.task.io.sort.mb": "io.sort.mb",
    "mapreduce.task.io.sort.factor": "io.sort.factor",
    "mapreduce.map.cpu.vcores": "map.cpus",
    "mapreduce.reduce.cpu.vcores": "reduce.cpus",
    "mapreduce.map.skip.maxrecords": "skip.records.max",
}
"""Hadoop's names of settings that have another name here. Other names only lose `mapreduce.`."""

_MILLISECONDS = frozenset({"mapreduce.task.timeout"})


def new_name(name: str) -> str:
    """Hadoop's present name of a setting."""
    return NEW_NAMES.get(name, name)


def both_names(properties: Mapping[str, str]) -> dict[str, str]:
    """The properties under their present names and under their old ones."""
    old = {_OLD_NAMES[name]: value for name, value in properties.items() if name in _OLD_NAMES}
    return old | dict(properties)


def our_settings(properties: Mapping[str, str]) -> dict[str, str]:
    """The properties that are settings of ours, under our names and in our units."""
    settings = {}
    for name, value in properties.items():
        ours = _OURS.get(name, name.removeprefix("mapreduce."))
        if ours not in SETTINGS:
            continue
        if name in _MILLISECONDS:
            value = _seconds(value)
        settings[ours] = value
    return settings


def _seconds(milliseconds: str) -> str:
    try:
        return str(int(milliseconds) / 1000)
    except ValueError:
        return milliseconds  # the check of the setting says what is wrong
