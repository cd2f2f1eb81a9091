"""Keys that sign the pickled values in output files.

Unpickling executes code that a file holds. So a job unpickles only values that a job with the same
key has written. The key of a JobTracker's jobs is derived from its token. Jobs that start their own
JobTracker use a key in a file of their user. A key comes to the workers with the job's facts.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from mrmesos.access.signing import derived_key
from mrmesos.access.tokens import own_token
from mrmesos.conf import PICKLE_KEY_FILE, Conf

FILE_VARIABLE = "MRMESOS_PICKLE_KEY_FILE"
DEFAULT_FILE = "~/.mrmesos/pickle.key"
MAC_BYTES = 16
"""Bytes of the signature behind each pickle. `pickle.loads` ignores what follows a pickle."""

_WHO = "pickled values"


def key_of_token(token: str) -> str:
    """The key of the jobs of a JobTracker with this token. It does not reveal the token."""
    return derived_key(token, _WHO)


def named_key(conf: Conf, environ: Mapping[str, str]) -> str:
    """The key in the file that the setting or the variable names. Empty if neither names one.

    Creates the file (mode 0600) if it is missing. Raises TokenError.
    """
    named = conf.get_as(PICKLE_KEY_FILE) or environ.get(FILE_VARIABLE, "")
    return _of_file(Path(named)) if named else ""


def own_key(conf: Conf, environ: Mapping[str, str]) -> str:
    """The key of this user's jobs without a JobTracker service.

    If no home directory can be written, the key lives as long as this process. Raises TokenError if
    others can read the file, or if we cannot.
    """
    if key := named_key(conf, environ):
        return key
    path = Path(DEFAULT_FILE).expanduser()
    if not path.exists() and not _is_creatable(path):
        return secrets.token_hex(32)
    return _of_file(path)


def _of_file(path: Path) -> str:
    return derived_key(own_token(path.expanduser()), _WHO)


def _is_creatable(path: Path) -> bool:
    directory = path.parent if path.parent.exists() else path.parent.parent
    return os.access(directory, os.W_OK | os.X_OK)


def key_name(key: str) -> str:
    """A public name of a key, for files: it tells signatures of several keys apart."""
    return derived_key(key, "name")[:16]


def sign(key: str, pickled: bytes) -> bytes:
    """The pickle with its signature."""
    return pickled + _mac(key, pickled)


def opened(key: str, signed: bytes) -> bytes | None:
    """The pickle without its signature. None if this key has not signed it."""
    pickled, mac = signed[:-MAC_BYTES], signed[-MAC_BYTES:]
    return pickled if hmac.compare_digest(mac, _mac(key, pickled)) else None


def _mac(key: str, pickled: bytes) -> bytes:
    return hmac.digest(key.encode(), pickled, hashlib.sha256)[:MAC_BYTES]
