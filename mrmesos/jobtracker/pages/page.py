"""The parts of a page, before it is text."""

from __future__ import annotations

from typing import Any, NamedTuple

ROOT = "/ui/"


class Content(NamedTuple):
    """A template, its data, and the HTTP status. `changes`: whether it may change later."""

    template: str
    data: dict[str, Any]
    status: int = 200
    changes: bool = False
