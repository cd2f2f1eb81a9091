"""The user who runs this process."""

from __future__ import annotations

import os
import pwd


def current_user() -> str:
    """The kernel's user by name; the number of a user who has none, as in some containers.

    USER and LOGNAME are not asked: they may name anybody.
    """
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
