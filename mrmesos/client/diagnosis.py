"""Why a JobTracker was not reached, in words that say what to do about it."""

from __future__ import annotations

import http.client
import socket
import ssl
from urllib.parse import urlsplit

from mrmesos.client.terminal.errors import reason

CA_VARIABLE = "MRMESOS_TLS_CA_FILE"


def diagnosed(problem: BaseException, url: str) -> tuple[str, bool]:
    """What is wrong, and whether that may pass by itself."""
    host = urlsplit(url).netloc
    match problem:
        case ssl.SSLCertVerificationError():
            return (
                f"its certificate is not trusted here ({problem.verify_message.rstrip('.')}); "
                f"{CA_VARIABLE} or tls.ca.file is to name the certificate of who vouches for it, "
                "and the URL a host that it is for"
            ), False
        case ssl.SSLError(reason="WRONG_VERSION_NUMBER" | "RECORD_LAYER_FAILURE"):
            return f"what listens there does not speak TLS; try http://{host}", False
        case socket.gaierror(errno=socket.EAI_NONAME):
            name = urlsplit(url).hostname
            return f"there is no host {name} ({reason(problem)}); check the URL", False
        case http.client.BadStatusLine() | ConnectionResetError() if url.startswith("http:"):
            return f"{reason(problem)}; where it speaks TLS, that is https://{host}", True
        case ConnectionRefusedError():
            return (
                f"{reason(problem)}; is one running there (`mrmesos jobtracker`), and at that port?"
            ), True
    return f"{reason(problem)}; is it running there?", True
