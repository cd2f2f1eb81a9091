"""The first thing that a client and a JobTracker say to each other, on each connection."""

from __future__ import annotations

from typing import Annotated

import msgspec

GREETING_PATH = "/api/v1/greeting"


class Greeting(msgspec.Struct, frozen=True):
    """A JobTracker's answer. `life` is another one for each of its starts."""

    life: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$", max_length=32)]
