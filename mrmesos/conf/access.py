"""Settings of who may speak to whom."""

from __future__ import annotations

from mrmesos.conf.declaring import declare

JOBTRACKER_TOKEN_FILE = declare(
    "jobtracker.token.file",
    "",
    "path",
    "Holds the token that clients of `mrmesos jobtracker` show; made at its first start, for its "
    "owner only. Empty: what MRMESOS_TOKEN_FILE names, else `~/.mrmesos/token`.",
    scope="access",
)
BEARER_TOKENS = declare(
    "jobtracker.bearer.tokens",
    False,
    "yes or no",
    "Requests that show the token itself (`Authorization: Bearer`), as curl makes them, are let in "
    "beside signed ones. Whoever listens in its place gets to know the token then.",
    scope="access",
)
HTTP_ALLOWED_HOSTS = declare(
    "http.allowed.hosts",
    "",
    "names,...",
    "Further names by which JobTracker and TaskTrackers are reached, such as a proxy's. Requests "
    "that name others in `Host` are refused, or web pages could send them (docs/security.md).",
    scope="access",
)
TLS_CERTIFICATE_FILE = declare(
    "tls.certificate.file",
    "",
    "path",
    "PEM certificate (chain) of JobTracker and TaskTrackers, which then speak HTTPS only; at the "
    "same place on all agents. Empty: no TLS.",
    scope="access",
)
TLS_KEY_FILE = declare(
    "tls.key.file",
    "",
    "path",
    "PEM private key of the certificate, without a password; empty where both are in one file.",
    scope="access",
)
TLS_CA_FILE = declare(
    "tls.ca.file",
    "",
    "path",
    "PEM certificates of the authorities that vouch for JobTracker and TaskTrackers. Empty: what "
    "MRMESOS_TLS_CA_FILE names (clients), else the system's.",
    scope="access",
)
