"""Settings of a JobTracker: its address, its memory of jobs, its scheduler."""

from __future__ import annotations

from mrmesos.conf.declaring import declare

JOBTRACKER_ADDRESS = declare(
    "jobtracker.http.address",
    "",
    "host:port",
    "Address that the JobTracker listens on. Empty: the address of this host that reaches the "
    "Mesos master, with any free port.",
    scope="jobtracker",
)
JOBTRACKER_STATE_DIR = declare(
    "jobtracker.state.dir",
    "",
    "directory",
    "Directory of the JobTracker's journal. The next JobTracker continues the jobs in it. Empty: "
    "no journal, and jobs end with the JobTracker.",
    scope="jobtracker",
)
JOBTRACKER_ZK_SESSION_SECONDS = declare(
    "jobtracker.zk.session.seconds",
    10.0,
    "seconds",
    "With `--zk`: a standby replaces the leading JobTracker if ZooKeeper has not heard from it for "
    "this long. ZooKeeper's servers limit the value, by default to 4 to 40 s.",
    minimum=1.0,
    scope="jobtracker",
)
JOBTRACKER_MASTER_AWAY_SECONDS = declare(
    "jobtracker.master.away.seconds",
    30.0,
    "seconds",
    "With `--zk`: a leading JobTracker without a Mesos master for this long gives up leadership to "
    "a standby that can connect to one; 0: never.",
    minimum=0.0,
    scope="jobtracker",
)
JOBTRACKER_RETIRED_MAX = declare(
    "jobtracker.retired.jobs.max",
    100,
    "jobs",
    "Number of ended jobs that the JobTracker keeps in memory. The history has them longer "
    "(`jobhistory.max.age.days`).",
    minimum=1,
    scope="jobtracker",
)
HISTORY_LOCATION = declare(
    "jobtracker.jobhistory.location",
    "",
    "directory or URI",
    "Directory of the history of ended jobs (docs/operating.md), or a URI such as "
    "`hdfs://nn/history`, below which each job has a file. Empty: the directory of the journal "
    "(`jobtracker.state.dir`), else the one that MRMESOS_HISTORY_DIR names, else "
    "`~/.mrmesos/jobs`.",
    scope="jobtracker",
)
HISTORY_MAX_AGE_DAYS = declare(
    "jobhistory.max.age.days",
    90.0,
    "days",
    "The history forgets jobs that ended longer ago than this; 0: never.",
    minimum=0.0,
    scope="jobtracker",
)
HISTORY_MAX_MB = declare(
    "jobhistory.max.mb",
    1024,
    "MB",
    "If the history is larger than this, it forgets the jobs that ended first; 0: no limit.",
    minimum=0,
    scope="jobtracker",
)
JOBTRACKER_JOBS_MAX = declare(
    "jobtracker.jobs.max",
    10_000,
    "jobs",
    "Most jobs in progress; further jobs are refused.",
    minimum=1,
    scope="jobtracker",
)
BLACKLIST_MAX = declare(
    "jobtracker.tasktracker.maxblacklists",
    4,
    "jobs",
    "All jobs avoid a host after this many successful jobs had avoided it. They avoid at most a "
    "third of the hosts.",
    minimum=1,
    scope="jobtracker",
)
BLACKLIST_FORGIVE = declare(
    "jobtracker.tasktracker.forgive.seconds",
    900.0,
    "seconds",
    "After each such period, one of those jobs no longer counts against the host.",
    minimum=1.0,
    scope="jobtracker",
)
SCHEDULER = declare(
    "scheduler",
    "fifo",
    "fifo|fair",
    "Which job goes first. `fifo`: by priority and age. `fair`: the pool furthest below its share, "
    "then the job furthest below its share in that pool.",
    scope="jobtracker",
)
POOLS = declare(
    "pools",
    "",
    "pools",
    "Weights (default 1) and minimum shares in CPUs (default 0) of pools, such as "
    "`etl:weight=2,min=4;adhoc:weight=1`.",
    scope="jobtracker",
)
POOLS_FILE = declare(
    "pools.file",
    "",
    "path",
    "TOML file with a table for each pool, such as `[etl]` with `weight = 2` and `min = 4`. "
    "`pools` overrides it.",
    scope="jobtracker",
)
RESOURCES_GLOBAL = declare(
    "resources.global",
    "",
    "resources",
    "Resources that belong to no agent, such as `db_connections:10;licenses:2`. Attempts in the "
    "whole cluster hold at most this much of them at once.",
    scope="jobtracker",
)
QUEUE_LEASE_SECONDS = declare(
    "queue.lease.seconds",
    600.0,
    "seconds",
    "A queue of free tasks is killed if its client is silent for this long.",
    minimum=1.0,
    scope="jobtracker",
)
PREEMPTION_TIMEOUT = declare(
    "fairscheduler.preemption.timeout",
    0.0,
    "seconds",
    "If a pool waits this long for its minimum share, the JobTracker kills the youngest attempts "
    "of pools above their share; 0: never.",
    minimum=0.0,
    scope="jobtracker",
)
STORE_TIMEOUT = declare(
    "jobtracker.store.timeout.seconds",
    600.0,
    "seconds",
    "Longest silence of a filesystem while a job is planned or committed; after it, the job fails.",
    minimum=1.0,
    scope="jobtracker",
)
STORE_THREADS = declare(
    "jobtracker.store.threads",
    4,
    "threads",
    "Most jobs planned or committed at once on one filesystem (a host of `hdfs://`, a bucket, a "
    "mount).",
    minimum=1,
    scope="jobtracker",
)
END_NOTIFICATION_HOSTS = declare(
    "jobtracker.end-notification.hosts",
    "",
    "hosts",
    "Hosts that `job.end-notification.url` may name, separated by commas; any if empty.",
    scope="jobtracker",
)
OTLP_ENDPOINT = declare(
    "otel.exporter.otlp.endpoint",
    "",
    "URL",
    "Send traces of jobs there, by OTLP over HTTP: `http://collector:4318`. Needs `mrmesos[otel]`. "
    "If it is empty, the variables OTEL_EXPORTER_OTLP_ENDPOINT and "
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT count.",
    scope="jobtracker",
)
LOG_FORMAT = declare(
    "log.format",
    "plain",
    "plain|json",
    "How the JobTracker and its TaskTrackers write their logs: lines for people, or one JSON "
    "object on each line.",
    scope="jobtracker",
)
