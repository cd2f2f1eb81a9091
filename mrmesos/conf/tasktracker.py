"""Settings of TaskTrackers: how they start, what they hold, when they go."""

from __future__ import annotations

from mrmesos.conf.declaring import declare

TASKTRACKER_COMMAND = declare(
    "tasktracker.command",
    "",
    "shell command",
    "Starts a TaskTracker on an agent. Empty: what is in the package or image, if there is one, "
    "else this Python with `-P -m mrmesos.tasktracker`.",
    scope="jobtracker",
)
TASKTRACKER_PACKAGE = declare(
    "tasktracker.package",
    "",
    "URI",
    "What `mrmesos pack` made, where Mesos' fetcher finds it from agents: `http(s)://`, `hdfs://`, "
    "or a path that is on every agent. Of mrmesos, agents then need nothing but a Python of the "
    "same version.",
    scope="jobtracker",
)
TASKTRACKER_IMAGE = declare(
    "tasktracker.container.image",
    "",
    "image",
    "Docker image that TaskTrackers run in (Mesos containerizer), with mrmesos and a `python3` "
    "that runs it.",
    scope="jobtracker",
)
TASKTRACKER_CACHE_MB = declare(
    "tasktracker.cache.mb",
    4096,
    "MiB",
    "Disk of a TaskTracker for files of jobs (`--files`, `--archives`, `--py-files`), unpacked. "
    "Those of no job in progress stay while there is room.",
    minimum=1,
    scope="jobtracker",
)
JOBTRACKER_CACHE_MB = declare(
    "jobtracker.cache.mb",
    4096,
    "MiB",
    "Disk of a JobTracker for code and files of jobs. Those of no job in progress stay while there "
    "is room.",
    minimum=1,
    scope="jobtracker",
)
JOB_CACHE_SINGLE_MAX_MB = declare(
    "job.cache.limit.max-single-resource-mb",
    1024,
    "MiB",
    "A larger file is not taken.",
    minimum=1,
    scope="jobtracker",
)
TASKTRACKER_ENVIRONMENT = declare(
    "tasktracker.environment",
    "HADOOP_CONF_DIR,HADOOP_USER_NAME,AWS_ENDPOINT_URL,AWS_DEFAULT_REGION,AWS_PROFILE",
    "names,...",
    "Environment variables that TaskTrackers get from the JobTracker where it has them. Mesos "
    "shows their values to all who may see its tasks: name no secrets.",
    scope="jobtracker",
)
TASKTRACKER_CPUS = declare(
    "tasktracker.cpus",
    0.02,
    "CPUs",
    "The TaskTracker's own share. Each slot asks for so much less than its attempt needs, so an "
    "agent of two CPUs runs two one-CPU attempts, also of two frameworks.",
    minimum=0.01,
    scope="jobtracker",
)
TASKTRACKER_MEMORY_MB = declare(
    "tasktracker.memory.mb",
    128,
    "MiB",
    "The TaskTracker's own memory, beside that of its slots.",
    minimum=32,
    scope="jobtracker",
)
TASKTRACKER_IDLE_SECONDS = declare(
    "tasktracker.idle.seconds",
    5.0,
    "seconds",
    "A TaskTracker without attempts, whose map output nobody needs, goes away after so long.",
    minimum=0.0,
    scope="jobtracker",
)
HEARTBEAT_SECONDS = declare(
    "tasktracker.heartbeat.seconds",
    1.0,
    "seconds",
    "Longest time between two heartbeats; ended attempts are reported at once.",
    minimum=0.05,
    scope="jobtracker",
)
TASKTRACKER_SILENCE_SECONDS = declare(
    "tasktracker.silence.seconds",
    10.0,
    "seconds",
    "A TaskTracker that was not heard for so long is given no new work, and what it runs gets a "
    "second attempt elsewhere. Several heartbeats, or every late one costs an attempt.",
    minimum=0.5,
    scope="jobtracker",
)
TASKTRACKER_EXPIRY_SECONDS = declare(
    "tasktracker.expiry.seconds",
    120.0,
    "seconds",
    "A TaskTracker that cannot reach the JobTracker for so long ends itself; one never "
    "heard of for so long after its launch is shut down.",
    minimum=1.0,
    scope="jobtracker",
)
