"""Who we are: the user of this process, and the principal and secret at Mesos."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from mrmesos.access.tokens import private_text
from mrmesos.conf import MESOS_PRINCIPAL, MESOS_SECRET_FILE, Conf


def current_user() -> str:
    """The name of the kernel's user. Its number if it has no name, as in some containers.

    USER and LOGNAME are not read, because they may name anybody.
    """
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def secret_of(conf: Conf) -> str | None:
    """The secret of our principal, if a file with one is set. Raises ConfError, OSError."""
    secret_file = conf.get_as(MESOS_SECRET_FILE)
    return private_text(Path(secret_file)).strip() if secret_file else None


def credentials_of(conf: Conf) -> tuple[str, str] | None:
    """Principal and secret, if both are set. Raises what `secret_of` does."""
    principal, secret = conf.get_as(MESOS_PRINCIPAL), secret_of(conf)
    return (principal, secret) if principal and secret else None
