"""The names of our own servers, from the settings."""

from __future__ import annotations

from mrmesos.access.guard import RequestGuard
from mrmesos.conf import HTTP_ALLOWED_HOSTS, Conf


def known_as(conf: Conf, *names: str, pages: str = "") -> RequestGuard:
    """A guard for a server that listens on these names or addresses, or is announced under them.

    `pages` is the beginning of the paths of its web pages.
    """
    further = conf.get_as(HTTP_ALLOWED_HOSTS).split(",")
    return RequestGuard(names, further, HTTP_ALLOWED_HOSTS.name, pages)
