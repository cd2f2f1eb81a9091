"""The greeting: the first message of a client to a JobTracker on each connection."""

from __future__ import annotations

from typing import Annotated

import msgspec

GREETING_PATH = "/api/v1/greeting"


class Greeting(msgspec.Struct, frozen=True):
    """A JobTracker's answer. `life` is different for each start of the JobTracker."""

    life: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$", max_length=32)]
