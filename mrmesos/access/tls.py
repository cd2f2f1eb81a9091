"""TLS contexts for servers and clients. TLS is used if `tls.certificate.file` is set.

A server shows its certificate. A client proves itself by its token or its signature.
"""

from __future__ import annotations

import ssl

from mrmesos.conf import TLS_CA_FILE, TLS_CERTIFICATE_FILE, TLS_KEY_FILE, Conf, ConfError


def server_context(conf: Conf) -> ssl.SSLContext | None:
    """The context of a listener; None means plain HTTP. Raises ConfError for unusable files."""
    certificate, key = conf.get_as(TLS_CERTIFICATE_FILE), conf.get_as(TLS_KEY_FILE)
    if not certificate:
        if key:
            raise ConfError(f"{TLS_KEY_FILE.name} needs {TLS_CERTIFICATE_FILE.name}")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # The callback refuses an encrypted key. Without it, OpenSSL would ask at the terminal.
        context.load_cert_chain(certificate, key or None, password=_no_password)
    except (OSError, ValueError) as problem:
        where = f"{TLS_CERTIFICATE_FILE.name}={certificate} {TLS_KEY_FILE.name}={key}"
        raise ConfError(f"{where}: {problem}") from problem
    return context


def client_context(conf: Conf, ca_file: str = "") -> ssl.SSLContext:
    """The context for requests to `https:` URLs. Raises ConfError for an unusable file.

    It trusts `tls.ca.file`, then `ca_file`; if neither is set, the system's authorities.
    """
    authority = conf.get_as(TLS_CA_FILE) or ca_file
    try:
        return ssl.create_default_context(cafile=authority or None)
    except (OSError, ValueError) as problem:
        raise ConfError(f"{TLS_CA_FILE.name}={authority}: {problem}") from problem


def _no_password() -> str:
    raise ValueError("the key is encrypted")
