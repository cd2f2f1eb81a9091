"""The names of our own servers, as settings tell them."""

from __future__ import annotations

from mrmesos.access.guard import RequestGuard
from mrmesos.conf import HTTP_ALLOWED_HOSTS, Conf


def known_as(conf: Conf, *names: str) -> RequestGuard:
    """A guard of a server that listens on, or is announced as, these names or addresses."""
    return RequestGuard(names, conf.get_as(HTTP_ALLOWED_HOSTS).split(","), HTTP_ALLOWED_HOSTS.name)
