"""The profile of an attempt (`task.profile`): a tree of functions, and the time or memory of each.

It travels as text. Only two places read it: a worker makes it, and a page draws it.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Mapping
from typing import Annotated

import msgspec

from mrmesos.bounds import PROFILE_MAX, Count, Index, Name
from mrmesos.conf import TASK_PROFILE, TASK_PROFILE_MAPS, TASK_PROFILE_REDUCES, Conf, ConfError
from mrmesos.wire.ids import TaskKind

NONE, CPU, MEMORY = "none", "cpu", "memory"
KINDS = (NONE, CPU, MEMORY)
NODES_MAX = 2_000
_UNPACKED_MAX = 4 << 20
_RANGE = re.compile(r"\s*(\d{1,9})?\s*(-)?\s*(\d{1,9})?\s*", re.ASCII)


class Node(msgspec.Struct, frozen=True, array_like=True):
    """A function. Its caller is the last node before it whose `depth` is one less.

    `value` includes the functions that it calls: microseconds, or bytes at the peak. `frame` is the
    number of its name.
    """

    depth: Index
    frame: Index
    value: Count


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """`nodes` are in the order of a walk from the root. `left_out` is the value of small nodes that
    are not among them.
    """

    kind: Name
    total: Count
    frames: Annotated[list[Name], msgspec.Meta(max_length=NODES_MAX)]
    nodes: Annotated[list[Node], msgspec.Meta(max_length=NODES_MAX)]
    left_out: Count = 0


def packed(profile: Profile) -> str:
    """The profile as text. Empty if it would be longer than PROFILE_MAX."""
    text = base64.b64encode(zlib.compress(msgspec.json.encode(profile), 9)).decode()
    return text if len(text) <= PROFILE_MAX else ""


def unpacked(text: str) -> Profile | None:
    """The profile in a text. None if the text has none, or if it cannot be read."""
    try:
        inflate = zlib.decompressobj()
        body = inflate.decompress(base64.b64decode(text, validate=True), _UNPACKED_MAX)
        if not inflate.eof:
            return None
        profile = msgspec.json.decode(body, type=Profile)
    except (binascii.Error, zlib.error, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return profile if _sound(profile) else None


def _sound(profile: Profile) -> bool:
    depth = -1
    for node in profile.nodes:
        if node.depth > depth + 1 or node.frame >= len(profile.frames):
            return False
        depth = node.depth
    return profile.kind in KINDS


def kind_of(conf: Conf, kind: TaskKind, index: int) -> str:
    """The kind of profile that an attempt gets. Raises ConfError."""
    wanted = conf.get_as(TASK_PROFILE).strip().lower()
    if wanted not in KINDS:
        raise ConfError(f"{TASK_PROFILE.name}={wanted[:50]!r}: expected one of {', '.join(KINDS)}")
    setting = TASK_PROFILE_REDUCES if kind is TaskKind.REDUCE else TASK_PROFILE_MAPS
    return wanted if within(setting.name, conf.get_as(setting), index) else NONE


def check_profile(given: Mapping[str, str]) -> None:
    """Raise ConfError if a job's settings of profiles cannot be used."""
    for kind in (TaskKind.MAP, TaskKind.REDUCE):
        kind_of(Conf(dict(given)), kind, 0)


def within(name: str, text: str, index: int) -> bool:
    """Whether ranges such as `0-2,7,90-` contain the number. Raises ConfError."""
    found = False
    for part in text.split(",") if text.strip() else ():
        match = _RANGE.fullmatch(part)
        if match is None or (match[1] is None and match[3] is None):
            raise ConfError(f"{name}={text[:100]!r}: expected numbers and ranges such as 0-2,7")
        first = int(match[1] or 0)
        last = (int(match[3]) if match[3] else 1 << 31) if match[2] else first
        found |= first <= index <= last
    return found
