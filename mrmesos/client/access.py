"""Opens a client with the token and the TLS authorities from the settings."""

from __future__ import annotations

import os
import ssl

from mrmesos.access.pickle_keys import key_of_token, named_key, own_key
from mrmesos.access.tls import client_context
from mrmesos.access.tokens import TokenError, client_token
from mrmesos.client.api_client import JobTrackerClient
from mrmesos.client.diagnosis import CA_VARIABLE
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.conf import Conf, ConfError


def open_client(
    url: str, conf: Conf, *, retry_seconds: float, return_seconds: float = 0.0
) -> JobTrackerClient:
    """Open a client of a running JobTracker. `conf` and the environment name the token's file.

    Raises UsageProblem if the URL, the token's file or the file of authorities is wrong.
    """
    try:
        return JobTrackerClient(
            url,
            token=client_token(conf, os.environ),
            tls=trusted(conf) if url.startswith(("https:", "zk:")) else None,
            retry_seconds=retry_seconds,
            return_seconds=return_seconds,
        )
    except (TokenError, ConfError) as problem:
        raise UsageProblem(str(problem)) from None
    except ValueError as problem:
        raise UsageProblem(f"--jobtracker: {problem}") from None


def pickle_key(jobtracker: str, conf: Conf) -> str:
    """The key that signs pickled values of our jobs: the key of the JobTracker at this URL, else
    ours.

    Empty if this machine has no token of that JobTracker. Raises UsageProblem.
    """
    try:
        if not jobtracker:
            return own_key(conf, os.environ)
        if key := named_key(conf, os.environ):
            return key
        token = client_token(conf, os.environ)
        return key_of_token(token) if token else ""
    except TokenError as problem:
        raise UsageProblem(str(problem)) from None


def trusted(conf: Conf) -> ssl.SSLContext:
    """A TLS context that trusts `tls.ca.file` or MRMESOS_TLS_CA_FILE. Raises ConfError."""
    return client_context(conf, os.environ.get(CA_VARIABLE, ""))
