"""The jobs that users will submit: from SWIM files, or from classes of a specification."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random

import msgspec

from mrmesos.conf import Conf, ConfError
from mrmesos.simulator.spec import MB, JobClass, Spec, SpecError, SwimSpec, as_text


class Work(msgspec.Struct, frozen=True):
    """One job to come. `at` is in seconds from the start. Sizes are in MB of the whole job.

    Only `map_mb` is the input of one map. The last map may have less.
    """

    name: str
    at: float
    maps: int
    input_mb: float
    map_mb: float
    reduces: int
    shuffle_mb: float
    output_mb: float
    placement: str
    conf: Mapping[str, str]
    map_seconds: float | None = None
    reduce_seconds: float | None = None


def workload(spec: Spec) -> list[Work]:
    """All jobs, in the order in which they come. Raises SpecError."""
    if spec.swim is None and not spec.jobs:
        raise SpecError("nothing to run: neither [[jobs]] nor a SWIM file")
    common = as_text(spec.conf)
    works: list[Work] = []
    if spec.swim is not None:
        works.extend(read_swim(spec.swim, common))
    for place, one in enumerate(spec.jobs):
        works.extend(_of_class(one, common, Random(f"{spec.seed}/arrivals/{place}")))
    try:
        for conf in {id(work.conf): work.conf for work in works}.values():
            Conf(conf).check()
    except ConfError as error:
        raise SpecError(str(error)) from None
    return sorted(works, key=lambda work: work.at)


def _of_class(one: JobClass, common: Mapping[str, str], rng: Random) -> Iterator[Work]:
    conf = {**common, **as_text(one.conf)}
    at = one.start
    for number in range(one.count):
        yield Work(
            name=f"{one.name}-{number}" if one.count > 1 else one.name,
            at=at,
            maps=one.maps,
            input_mb=one.maps * one.map_mb,
            map_mb=one.map_mb,
            reduces=one.reduces,
            shuffle_mb=one.shuffle_mb,
            output_mb=one.output_mb,
            placement=one.placement,
            conf=conf,
            map_seconds=one.map_seconds,
            reduce_seconds=one.reduce_seconds,
        )
        poisson = one.arrival == "poisson" and one.interval > 0
        at += rng.expovariate(1 / one.interval) if poisson else one.interval


def read_swim(swim: SwimSpec, common: Mapping[str, str]) -> Iterator[Work]:
    """Jobs of a SWIM file: id, submit time, gap, map input, shuffle and output bytes, by tabs.

    A job without input still has a map. Raises SpecError, with the line.
    """
    try:
        lines = Path(swim.file).read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{swim.file}: {error}") from None
    for number, line in enumerate(lines[: math.ceil(len(lines) * swim.share)], 1):
        try:
            name, at, _, read, shuffle, written = line.split("\t")
            sizes = [int(field) / MB for field in (read, shuffle, written)]
            submitted = float(at) / swim.speed
            if min(submitted, *sizes) < 0:
                raise ValueError("a negative number")
        except ValueError as error:
            raise SpecError(f"{swim.file}:{number}: no line of a SWIM file ({error})") from None
        reduces = min(swim.reduces_max, math.ceil(sizes[1] / swim.reduce_mb))
        yield Work(
            name=name,
            at=submitted,
            maps=max(1, math.ceil(sizes[0] / swim.split_mb)),
            input_mb=sizes[0],
            map_mb=swim.split_mb,
            reduces=reduces,
            shuffle_mb=sizes[1],
            output_mb=sizes[2],
            placement="hdfs",
            conf=common,
        )
