"""Order and partition by fields of a key: Hadoop's KeyFieldBasedComparator and -Partitioner.

Both take options like those of Unix sort: `-k pos1[,pos2]`, where a position is `f[.c][nr]` (field,
character in the field, options), and `-n` and `-r` for all. Fields and characters count from 1; a
character of 0 in the second position is the last of its field. Source: the Javadoc of
org.apache.hadoop.mapred.lib.KeyFieldBasedComparator (Hadoop 3.4).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from mrmesos.io.columns.key_code import ESCAPED, TEXT_END, number_code

_POSITION = re.compile(r"(\d+)(?:\.(\d+))?([nr]*)")
_NUMBER = re.compile(rb"\s*(-?)(\d*)(?:\.(\d*))?")
_INVERTED = bytes(255 - byte for byte in range(256))


class KeyRange(msgspec.Struct, frozen=True):
    """One `-k`. The second field is 0 if the range goes to the end of the key."""

    first_field: int = 1
    first_char: int = 1
    last_field: int = 0
    last_char: int = 0
    numeric: bool = False
    reverse: bool = False


class BadKeyOptions(ValueError):
    """Options of a comparator or partitioner that cannot be read."""


def parse_ranges(text: str) -> tuple[KeyRange, ...]:
    """The ranges of `-k1,1 -k2,2nr`, `-n`, `-nr` and the like. Raises BadKeyOptions."""
    words = text.split()
    ranges: list[KeyRange] = []
    options = ""
    while words:
        word = words.pop(0)
        if word.startswith("-k"):
            given = word[2:] or (words.pop(0) if words else "")
            ranges.append(_range(given, text))
        elif re.fullmatch(r"-[nr]+", word):
            options += word[1:]
        else:
            raise BadKeyOptions(f"{text!r}: {word!r} is not -k pos1[,pos2], -n or -r")
    if not ranges:
        return (KeyRange(numeric="n" in options, reverse="r" in options),)
    return tuple(
        each
        if each.numeric or each.reverse
        else msgspec.structs.replace(each, numeric="n" in options, reverse="r" in options)
        for each in ranges
    )


def _range(given: str, text: str) -> KeyRange:
    first, comma, last = given.partition(",")
    one, other = _POSITION.fullmatch(first), _POSITION.fullmatch(last)
    if one is None or int(one[1]) < 1 or (comma and (other is None or int(other[1]) < 1)):
        raise BadKeyOptions(f"{text!r}: -k {given!r} is not -k f[.c][nr][,f[.c][nr]]")
    options = one[3] + (other[3] if other else "")
    return KeyRange(
        first_field=int(one[1]),
        first_char=max(1, int(one[2] or 1)),
        last_field=int(other[1]) if other else 0,
        last_char=int(other[2] or 0) if other else 0,
        numeric="n" in options,
        reverse="r" in options,
    )


def part_of(key: bytes, fields: Sequence[bytes], separator: bytes, given: KeyRange) -> bytes:
    """The bytes of the key in a range. `fields` are those of the key."""
    if given.first_field > len(fields):
        return b""
    first = given.first_field - 1
    start = sum(map(len, fields[:first])) + first * len(separator)
    start += min(given.first_char - 1, len(fields[first]))
    if not given.last_field or given.last_field > len(fields):
        return key[start:]
    last = given.last_field - 1
    end = sum(map(len, fields[:last])) + last * len(separator)
    size = len(fields[last])
    end += min(given.last_char, size) if given.last_char else size
    return key[start:end]


def sort_codes(keys: Sequence[bytes], separator: bytes, ranges: Sequence[KeyRange]) -> list[bytes]:
    """Bytes for each key that compare as the keys do by these ranges."""
    codes = []
    for key in keys:
        fields = key.split(separator)
        codes.append(b"".join(_code(part_of(key, fields, separator, one), one) for one in ranges))
    return codes


def _code(part: bytes, given: KeyRange) -> bytes:
    code = _number_code(part) if given.numeric else part.replace(b"\0", ESCAPED) + TEXT_END
    return code.translate(_INVERTED) if given.reverse else code


def _number_code(part: bytes) -> bytes:
    """A number as `sort -n` reads it: spaces, a minus, digits, a point, digits. Otherwise 0."""
    match = _NUMBER.match(part)
    assert match is not None  # every part of the number may be empty
    sign, whole, fraction = match[1], match[2], match[3] or b""
    return number_code(float(sign + (whole or b"0") + b"." + (fraction or b"0")))
