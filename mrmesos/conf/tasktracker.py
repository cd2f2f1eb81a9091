"""Settings of TaskTrackers: how they start, what they keep, when they end."""

from __future__ import annotations

from mrmesos.conf.declaring import declare

TASKTRACKER_COMMAND = declare(
    "tasktracker.command",
    "",
    "shell command",
    "Command that starts a TaskTracker on an agent. Empty: the TaskTracker in the package or "
    "image, if there is one, else this Python with `-P -m mrmesos.tasktracker`.",
    scope="jobtracker",
)
TASKTRACKER_PACKAGE = declare(
    "tasktracker.package",
    "",
    "URI",
    "URI of the package from `mrmesos pack`, for Mesos' fetcher on agents: `http(s)://`, "
    "`hdfs://`, or a path that exists on every agent. Agents then need only a Python of the same "
    "version.",
    scope="jobtracker",
)
TASKTRACKER_IMAGE = declare(
    "tasktracker.container.image",
    "",
    "image",
    "Docker image in which TaskTrackers run (Mesos containerizer). It needs mrmesos and a "
    "`python3` that can run it.",
    scope="jobtracker",
)
TASKTRACKER_CACHE_MB = declare(
    "tasktracker.cache.mb",
    4096,
    "MiB",
    "Disk space of a TaskTracker for unpacked files of jobs (`--files`, `--archives`, "
    "`--py-files`). Files of ended jobs stay as long as there is space.",
    minimum=1,
    scope="jobtracker",
)
TASKTRACKER_USERLOG_DIR = declare(
    "tasktracker.userlog.dir",
    "",
    "directory",
    "Directory on agents for what attempts print. It outlives the TaskTracker. Empty: `userlogs` "
    "in the sandbox, which Mesos removes in time. `submit` names one of the user for its own local "
    "cluster.",
    scope="jobtracker",
)
TASKTRACKER_USERLOG_MB = declare(
    "tasktracker.userlog.mb",
    256,
    "MiB",
    "Disk space for what attempts of ended jobs have printed. The oldest jobs go first.",
    minimum=0,
    scope="jobtracker",
)
JOBTRACKER_CACHE_MB = declare(
    "jobtracker.cache.mb",
    4096,
    "MiB",
    "Disk space of a JobTracker for code and files of jobs. Files of ended jobs stay as long "
    "as there is space.",
    minimum=1,
    scope="jobtracker",
)
JOB_CACHE_SINGLE_MAX_MB = declare(
    "job.cache.limit.max-single-resource-mb",
    1024,
    "MiB",
    "Largest file of a job; larger ones are refused.",
    minimum=1,
    scope="jobtracker",
)
TASKTRACKER_ENVIRONMENT = declare(
    "tasktracker.environment",
    "HADOOP_CONF_DIR,HADOOP_USER_NAME,AWS_ENDPOINT_URL,AWS_DEFAULT_REGION,AWS_PROFILE",
    "names,...",
    "Environment variables that the JobTracker passes to TaskTrackers, if it has them. Everybody "
    "who may see Mesos tasks can read the values, so do not name secrets.",
    scope="jobtracker",
)
TASKTRACKER_CPUS = declare(
    "tasktracker.cpus",
    0.02,
    "CPUs",
    "CPUs of the TaskTracker itself. Each slot asks for this much less than its attempt needs. So "
    "an agent with two CPUs runs two one-CPU attempts, even of two frameworks.",
    minimum=0.01,
    scope="jobtracker",
)
TASKTRACKER_MEMORY_MB = declare(
    "tasktracker.memory.mb",
    128,
    "MiB",
    "Memory of the TaskTracker itself, in addition to its slots.",
    minimum=32,
    scope="jobtracker",
)
TASKTRACKER_IDLE_SECONDS = declare(
    "tasktracker.idle.seconds",
    5.0,
    "seconds",
    "A TaskTracker ends after this long without attempts, if nobody needs its map output.",
    minimum=0.0,
    scope="jobtracker",
)
HEARTBEAT_SECONDS = declare(
    "tasktracker.heartbeat.seconds",
    1.0,
    "seconds",
    "Longest time between two heartbeats. Ended attempts are reported at once. With more than 300 "
    "TaskTrackers it grows, up to 5 s.",
    minimum=0.05,
    scope="jobtracker",
)
TASKTRACKER_SILENCE_SECONDS = declare(
    "tasktracker.silence.seconds",
    10.0,
    "seconds",
    "A TaskTracker without a heartbeat for this long gets no new work, and its attempts get second "
    "attempts elsewhere. Use several heartbeats, or each late one costs an attempt.",
    minimum=0.5,
    scope="jobtracker",
)
TASKTRACKER_EXPIRY_SECONDS = declare(
    "tasktracker.expiry.seconds",
    120.0,
    "seconds",
    "A TaskTracker ends if it cannot reach the JobTracker for this long. The JobTracker shuts down "
    "a TaskTracker that has not reported for this long after its launch.",
    minimum=1.0,
    scope="jobtracker",
)
