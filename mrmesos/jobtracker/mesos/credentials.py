"""The principal and the secret that we show to Mesos."""

from __future__ import annotations

from pathlib import Path

from mrmesos import conf as settings
from mrmesos.access.tokens import private_text
from mrmesos.conf import Conf


def secret_of(conf: Conf) -> str | None:
    """The secret of our principal, if a file with one is set. Raises ConfError, OSError."""
    secret_file = conf.get_as(settings.MESOS_SECRET_FILE)
    return private_text(Path(secret_file)).strip() if secret_file else None


def credentials_of(conf: Conf) -> tuple[str, str] | None:
    """Principal and secret, if both are set. Raises what `secret_of` does."""
    principal, secret = conf.get_as(settings.MESOS_PRINCIPAL), secret_of(conf)
    return (principal, secret) if principal and secret else None
