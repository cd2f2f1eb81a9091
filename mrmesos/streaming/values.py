"""Reads values of Hadoop's settings: numbers and flags. Also the error for other values."""

from __future__ import annotations

from collections.abc import Mapping


class BadOption(Exception):
    """The command line has to be changed. The message says how, in one line."""


def number(name: str, text: str, least: int) -> int:
    """A whole number of at least `least`. Raises BadOption."""
    try:
        found = int(text)
    except ValueError:
        found = least - 1
    if found < least:
        raise BadOption(f"{name}={text}: expected a number, at least {least}")
    return found


def flag(properties: Mapping[str, str], name: str, *, default: bool) -> bool:
    """A setting that is true or false. Raises BadOption."""
    text = properties.get(name, "").strip().lower()
    if text not in ("", "true", "false"):
        raise BadOption(f"{name}={text}: expected true or false")
    return text == "true" if text else default


def simple_name(name: str) -> str:
    """The name of a Java class without its package."""
    return name.rpartition(".")[2]
