"""Settings of authentication and TLS."""

from __future__ import annotations

from mrmesos.conf.declaring import declare

JOBTRACKER_TOKEN_FILE = declare(
    "jobtracker.token.file",
    "",
    "path",
    "File with the token that clients of `mrmesos jobtracker` need. The JobTracker creates it at "
    "its first start, readable by its owner only. Empty: the file that MRMESOS_TOKEN_FILE names, "
    "else `~/.mrmesos/token`.",
    scope="access",
)
BEARER_TOKENS = declare(
    "jobtracker.bearer.tokens",
    False,
    "yes or no",
    "Accept also requests that contain the token itself (`Authorization: Bearer`, as curl sends "
    "it). A server that takes the JobTracker's place then learns the token.",
    scope="access",
)
METRICS_PUBLIC = declare(
    "jobtracker.metrics.public",
    False,
    "yes or no",
    "Anybody may read `/metrics`. If false, a reader needs the token, as for other requests "
    "(`jobtracker.bearer.tokens` for Prometheus).",
    scope="access",
)
TASKTRACKER_METRICS_PUBLIC = declare(
    "tasktracker.metrics.public",
    False,
    "yes or no",
    "Anybody may read `/metrics` of TaskTrackers. If false, only the JobTracker may.",
    scope="access",
)
HTTP_ALLOWED_HOSTS = declare(
    "http.allowed.hosts",
    "",
    "names,...",
    "Additional host names of JobTracker and TaskTrackers, such as a proxy's. Requests with "
    "another name in `Host` are refused, because web pages could send them (docs/security.md).",
    scope="access",
)
TLS_CERTIFICATE_FILE = declare(
    "tls.certificate.file",
    "",
    "path",
    "PEM certificate (chain) of JobTracker and TaskTrackers. With it, they accept only HTTPS. The "
    "path must be the same on all agents. Empty: no TLS.",
    scope="access",
)
TLS_KEY_FILE = declare(
    "tls.key.file",
    "",
    "path",
    "PEM private key of the certificate, without a password. Empty: it is in the certificate file.",
    scope="access",
)
TLS_CA_FILE = declare(
    "tls.ca.file",
    "",
    "path",
    "PEM certificates of the authorities that signed the certificate of JobTracker and "
    "TaskTrackers. Empty: the file that MRMESOS_TLS_CA_FILE names (clients), else the system's "
    "authorities.",
    scope="access",
)
PICKLE_KEY_FILE = declare(
    "pickle.key.file",
    "",
    "path",
    "File with the secret that signs pickled values in output files (docs/types.md). Jobs "
    "unpickle only what jobs with the same secret wrote. The file is created, readable by its "
    "owner only. Empty: the file that MRMESOS_PICKLE_KEY_FILE names; else the secret follows from "
    "the JobTracker's token, and jobs that start their own JobTracker use `~/.mrmesos/pickle.key`.",
    scope="access",
)
