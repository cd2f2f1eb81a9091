"""Explains why a JobTracker cannot be reached, and says what to do."""

from __future__ import annotations

import http.client
import socket
import ssl
from urllib.parse import urlsplit

from mrmesos.client.terminal.errors import reason

CA_VARIABLE = "MRMESOS_TLS_CA_FILE"


def diagnosed(problem: BaseException, url: str) -> tuple[str, bool]:
    """A text that says what is wrong, and whether a retry may help."""
    host = urlsplit(url).netloc
    match problem:
        case ssl.SSLCertVerificationError():
            return (
                f"its certificate is not trusted here ({problem.verify_message.rstrip('.')}); "
                f"set {CA_VARIABLE} or tls.ca.file to its authority's certificate, and use a host "
                "name in the URL that the certificate is for"
            ), False
        case ssl.SSLError(reason="WRONG_VERSION_NUMBER" | "RECORD_LAYER_FAILURE"):
            return f"the server does not speak TLS; try http://{host}", False
        case socket.gaierror(errno=socket.EAI_NONAME):
            name = urlsplit(url).hostname
            return f"there is no host {name} ({reason(problem)}); check the URL", False
        case http.client.BadStatusLine() | ConnectionResetError() if url.startswith("http:"):
            return f"{reason(problem)}; if the server speaks TLS, use https://{host}", True
        case ConnectionRefusedError():
            return (
                f"{reason(problem)}; is a JobTracker (`mrmesos jobtracker`) running at that port?"
            ), True
    return f"{reason(problem)}; is a JobTracker running there?", True
