"""TLS, where `tls.certificate.file` is set: the contexts of those who listen and of those who ask.

Who is asked shows its certificate; who asks is known by its token or its signature.
"""

from __future__ import annotations

import ssl

from mrmesos.conf import TLS_CA_FILE, TLS_CERTIFICATE_FILE, TLS_KEY_FILE, Conf, ConfError


def server_context(conf: Conf) -> ssl.SSLContext | None:
    """For a listener; None: plain HTTP. Raises ConfError where the files cannot be used."""
    certificate, key = conf.get_as(TLS_CERTIFICATE_FILE), conf.get_as(TLS_KEY_FILE)
    if not certificate:
        if key:
            raise ConfError(f"{TLS_KEY_FILE.name} needs {TLS_CERTIFICATE_FILE.name}")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # The password callback: an encrypted key is refused, instead of asked for at a terminal.
        context.load_cert_chain(certificate, key or None, password=_no_password)
    except (OSError, ValueError) as problem:
        where = f"{TLS_CERTIFICATE_FILE.name}={certificate} {TLS_KEY_FILE.name}={key}"
        raise ConfError(f"{where}: {problem}") from problem
    return context


def client_context(conf: Conf, ca_file: str = "") -> ssl.SSLContext:
    """For requests to `https:` URLs: whom `tls.ca.file` vouches for, or else the system's
    authorities. Raises ConfError where the file cannot be used.
    """
    authority = conf.get_as(TLS_CA_FILE) or ca_file
    try:
        return ssl.create_default_context(cafile=authority or None)
    except (OSError, ValueError) as problem:
        raise ConfError(f"{TLS_CA_FILE.name}={authority}: {problem}") from problem


def _no_password() -> str:
    raise ValueError("the key is encrypted")
