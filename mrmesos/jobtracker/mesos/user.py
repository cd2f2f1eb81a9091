"""Who runs this process."""

from __future__ import annotations

import getpass
import os


def current_user() -> str:
    """The login name; the number of a user who has none, as in some containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
