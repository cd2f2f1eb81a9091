"""Settings of a JobTracker: where it is, what it remembers, which job goes first."""

from __future__ import annotations

from mrmesos.conf.declaring import declare

JOBTRACKER_ADDRESS = declare(
    "jobtracker.http.address",
    "",
    "host:port",
    "Where the JobTracker listens. Empty: the address of this host that reaches the Mesos master, "
    "any free port.",
    scope="jobtracker",
)
JOBTRACKER_STATE_DIR = declare(
    "jobtracker.state.dir",
    "",
    "directory",
    "Where the JobTracker keeps its journal, from which the next one goes on with its jobs. Empty: "
    "nowhere, and jobs end with it.",
    scope="jobtracker",
)
JOBTRACKER_ZK_SESSION_SECONDS = declare(
    "jobtracker.zk.session.seconds",
    10.0,
    "seconds",
    "With `--zk`: a leading JobTracker that ZooKeeper has not heard of for so long is succeeded by "
    "another. Within what ZooKeeper's servers allow: 4 to 40 s, unless they are told otherwise.",
    minimum=1.0,
    scope="jobtracker",
)
JOBTRACKER_MASTER_AWAY_SECONDS = declare(
    "jobtracker.master.away.seconds",
    30.0,
    "seconds",
    "With `--zk`: a leading JobTracker that has had no Mesos master for so long gives way to a "
    "standby that can connect to one; 0: never.",
    minimum=0.0,
    scope="jobtracker",
)
JOBTRACKER_RETIRED_MAX = declare(
    "jobtracker.retired.jobs.max",
    100,
    "jobs",
    "Ended jobs the JobTracker remembers.",
    minimum=1,
    scope="jobtracker",
)
JOBTRACKER_JOBS_MAX = declare(
    "jobtracker.jobs.max",
    10_000,
    "jobs",
    "Jobs in progress beyond which new ones are refused.",
    minimum=1,
    scope="jobtracker",
)
BLACKLIST_MAX = declare(
    "jobtracker.tasktracker.maxblacklists",
    4,
    "jobs",
    "All jobs avoid a host once so many that succeeded had come to; never more than a third of the "
    "hosts.",
    minimum=1,
    scope="jobtracker",
)
BLACKLIST_FORGIVE = declare(
    "jobtracker.tasktracker.forgive.seconds",
    900.0,
    "seconds",
    "After so long, one of those jobs is forgotten, and after as long the next.",
    minimum=1.0,
    scope="jobtracker",
)
SCHEDULER = declare(
    "scheduler",
    "fifo",
    "fifo|fair",
    "Which job goes first: by priority and age, or whose pool, then who in it, has least of its "
    "due.",
    scope="jobtracker",
)
POOLS = declare(
    "pools",
    "",
    "pools",
    "Weights (1 if not given) and minimum shares in CPUs (0) of pools, such as "
    "`etl:weight=2,min=4;adhoc:weight=1`.",
    scope="jobtracker",
)
POOLS_FILE = declare(
    "pools.file",
    "",
    "path",
    "TOML file with a table a pool, such as `[etl]` with `weight = 2` and `min = 4`; `pools` goes "
    "before it.",
    scope="jobtracker",
)
PREEMPTION_TIMEOUT = declare(
    "fairscheduler.preemption.timeout",
    0.0,
    "seconds",
    "A pool that waits so long for its minimum share gets it from pools above theirs, whose "
    "youngest attempts are killed; 0: never.",
    minimum=0.0,
    scope="jobtracker",
)
STORE_TIMEOUT = declare(
    "jobtracker.store.timeout.seconds",
    600.0,
    "seconds",
    "Longest silence of a filesystem that a job is planned or committed on; then the job fails.",
    minimum=1.0,
    scope="jobtracker",
)
STORE_THREADS = declare(
    "jobtracker.store.threads",
    4,
    "threads",
    "Jobs that are planned or committed at once on one filesystem (a host of `hdfs://`, a bucket, "
    "a mount).",
    minimum=1,
    scope="jobtracker",
)
