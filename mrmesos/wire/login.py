"""How a client meets a JobTracker: the greeting on each connection, and a browser's login."""

from __future__ import annotations

from typing import Annotated

import msgspec

from mrmesos.bounds import Text

GREETING_PATH = "/api/v1/greeting"
TICKET_PATH = "/api/v1/ui/ticket"


class Greeting(msgspec.Struct, frozen=True):
    """A JobTracker's answer. `life` is different for each start of the JobTracker."""

    life: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$", max_length=32)]


class PageTicket(msgspec.Struct, frozen=True):
    """`path` logs a browser in, once, and within the time that was asked for."""

    path: Text
