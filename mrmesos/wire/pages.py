"""A login to the JobTracker's web pages for a client that has the token."""

from __future__ import annotations

import msgspec

from mrmesos.bounds import Text

TICKET_PATH = "/api/v1/ui/ticket"


class PageTicket(msgspec.Struct, frozen=True):
    """`path` logs a browser in, once, and within the time that was asked for."""

    path: Text
