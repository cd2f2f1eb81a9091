"""Settings of a job: its tasks, their resources and their limits."""

from __future__ import annotations

from mrmesos.conf.declaring import declare

JOB_NAME = declare("job.name", "", "text", "Name shown in lists; the job class's name if empty.")
CHAIN_FUSE = declare(
    "chain.fuse",
    True,
    "boolean",
    "A map-only step of a chain runs inside the maps of the step that reads its output, if nothing "
    "is lost by it (docs/workflows.md).",
)
JOB_REDUCES = declare(
    "job.reduces",
    1,
    "tasks",
    "Number of reduce tasks, and of output files; 0 makes a map-only job. `auto`: one for each 128 "
    "MiB of input, at most 1,000.",
    minimum=0,
    auto=True,
)
JOB_MAPS = declare(
    "job.maps",
    2,
    "tasks",
    "Target for the least number of map tasks. This is a hint, because file sizes and size limits "
    "also decide where splits are cut. If it is not set, an input of less than 1 MiB in a few "
    "files is one map.",
    minimum=1,
)
JOB_MAPS_MAX = declare(
    "job.maps.max",
    1_000_000,
    "tasks",
    "Most splits of a job; a job with more is refused.",
    minimum=1,
)
JOB_OUTPUTS_MAX = declare(
    "job.outputs.max",
    100,
    "outputs",
    "Most named outputs (`Job.outputs`) of a job; a job with more is refused. A task holds an open "
    "file and a few MiB for each output that it writes to.",
    minimum=0,
)
SPLIT_MINSIZE = declare(
    "split.minsize",
    0,
    "bytes",
    "Files are not cut into smaller splits than this, even if there are then fewer maps than "
    "`job.maps`; small files are packed up to it. `split.maxsize` overrides it.",
    minimum=0,
)
SPLIT_MAXSIZE = declare(
    "split.maxsize", 128 << 20, "bytes", "Most input bytes of one map task.", minimum=1
)
INPUT_SPOOL_MAXBYTES = declare(
    "input.spool.maxbytes",
    64 << 30,
    "bytes",
    "Most bytes that a submission takes from standard input and pipes.",
    minimum=1,
)
OUTPUT_OVERWRITE = declare(
    "output.overwrite",
    False,
    "boolean",
    "Replace an existing finished output after all tasks have succeeded (`--overwrite`).",
)
OUTPUT_LAZY = declare(
    "output.lazy",
    False,
    "boolean",
    "Write no part file for a task without records (Hadoop's LazyOutputFormat).",
)
NAMENODE_HTTP_ADDRESS = declare(
    "dfs.namenode.http-address",
    "",
    "host:port,...",
    "WebHDFS addresses of the NameNodes of `hdfs://` inputs, for block locations. Empty: the "
    "addresses in Hadoop's configuration, else port 9870 of the NameNode.",
)
JOB_PRIORITY = declare(
    "job.priority",
    "NORMAL",
    "VERY_HIGH|HIGH|NORMAL|LOW|VERY_LOW",
    "Priority of the job. `fifo`: higher priorities go first. `fair`: each step up doubles the "
    "job's share within its pool.",
)
JOB_POOL = declare(
    "job.pool", "", "name", "The pool whose share the job uses. Empty: the user's name."
)
JOB_CONSTRAINTS = declare(
    "job.constraints",
    "",
    "constraints",
    "Conditions on the attributes of agents: `rack in r1,r2; disk = ssd; gpu exists`. Other "
    "operators: `!=`, `not in`, `like` and `unlike` (patterns such as `node-1*`), `not exists`, "
    "`<` `<=` `>` `>=`. `hostname` is the agent's host name.",
)
JOB_FAIL_IF_IMPOSSIBLE = declare(
    "job.fail-if-impossible",
    False,
    "bool",
    "The job fails if no agent that Mesos has offered so far could run a task of it. Otherwise it "
    "waits for one.",
)
JOB_ROLE = declare(
    "job.role",
    "",
    "role",
    "Mesos role whose resources the job uses. Empty: any of the JobTracker's roles.",
)
MAP_MAXATTEMPTS = declare(
    "map.maxattempts",
    4,
    "attempts",
    "The job fails after this many failed attempts of one map.",
    minimum=1,
)
REDUCE_MAXATTEMPTS = declare(
    "reduce.maxattempts",
    4,
    "attempts",
    "The job fails after this many failed attempts of one reduce.",
    minimum=1,
)
MAP_CPUS = declare("map.cpus", 1.0, "CPUs", "CPUs of one running map attempt.", minimum=0.01)
MAP_MEMORY_MB = declare(
    "map.memory.mb",
    1024,
    "MiB",
    "Memory of one map attempt; a worker that uses more is killed.",
    minimum=128,
)
MAP_RESOURCES = declare(
    "map.resources",
    "",
    "Mesos resources",
    "Other resources of one map attempt: any scalars, as in `db_connections:2;disk:512;gpus:1`, "
    "and the number of `ports`.",
)
MAP_RESOURCES_GLOBAL = declare(
    "map.resources.global",
    "",
    "resources",
    "What one map attempt holds of the JobTracker's global resources (`resources.global`), as in "
    "`db_connections:1`.",
)
REDUCE_RESOURCES_GLOBAL = declare(
    "reduce.resources.global",
    "",
    "resources",
    "What one reduce attempt holds of the JobTracker's global resources (`resources.global`), as "
    "in `db_connections:1`.",
)
REDUCE_CPUS = declare("reduce.cpus", 1.0, "CPUs", "CPUs of one reduce attempt.", minimum=0.01)
REDUCE_MEMORY_MB = declare(
    "reduce.memory.mb",
    1024,
    "MiB",
    "Memory of one reduce attempt; a worker that uses more is killed.",
    minimum=128,
)
REDUCE_RESOURCES = declare(
    "reduce.resources",
    "",
    "Mesos resources",
    "Other resources of one reduce attempt: any scalars, as in `db_connections:2;disk:512;gpus:1`, "
    "and the number of `ports`.",
)
TASK_MEMORY_MAX_MB = declare(
    "task.memory.max.mb",
    8192,
    "MiB",
    "If an attempt dies of too little memory, later attempts of its kind in this job get twice as "
    "much, up to this and to what the largest agent has. 0: they get what was set.",
    minimum=0,
)
SLOWSTART = declare(
    "job.reduce.slowstart.completedmaps",
    1.0,
    "fraction",
    "Fraction of the maps that must be done before reduces start.",
    minimum=0.0,
)
MAP_REDUCE_RATIO = declare(
    "map.reduce.ratio",
    2.0,
    "maps per reduce",
    "If both kinds wait, a TaskTracker starts a reduce once it runs this many maps per reduce.",
    minimum=0.0,
)
JOB_MAXTASKFAILURES = declare(
    "job.maxtaskfailures.per.tracker",
    3,
    "attempts",
    "The job avoids a host after this many failed attempts there. It avoids at most a third of the "
    "hosts.",
    minimum=1,
)
MAP_SPECULATIVE = declare(
    "map.speculative", True, "boolean", "Start a second attempt of a slow map on another agent."
)
REDUCE_SPECULATIVE = declare(
    "reduce.speculative",
    True,
    "boolean",
    "Start a second attempt of a slow reduce on another agent.",
)
SPECULATIVE_CAP = declare(
    "job.speculative.speculative-cap-running-tasks",
    0.1,
    "fraction",
    "Most second attempts of a job at once, as a fraction of its running attempts.",
    minimum=0.0,
)
SPECULATIVE_MINIMUM = declare(
    "job.speculative.minimum-allowed-tasks",
    10,
    "attempts",
    "This many second attempts are always allowed at once, even if few attempts run.",
    minimum=0,
)
SPECULATIVE_LAG = declare(
    "job.speculative.lag",
    10.0,
    "seconds",
    "An attempt that has run for less time never counts as slow.",
    minimum=0.0,
)
SLOWTASK_THRESHOLD = declare(
    "job.speculative.slowtaskthreshold",
    1.0,
    "standard deviations",
    "An attempt is slow if its rate of progress is this far below the mean of the job's maps or "
    "reduces. It is always slow below 0.4 of the mean, and never above 0.67.",
    minimum=0.0,
)
TASK_TIMEOUT = declare(
    "task.timeout",
    600.0,
    "seconds",
    "Kill an attempt that does not read, write or report anything for this long; 0: never.",
    minimum=0.0,
)
SKIP_RECORDS_MAX = declare(
    "skip.records.max",
    0,
    "records",
    "Most records of one map, or keys of one reduce, to skip because user code fails at them. The "
    "output keeps them in `_skipped`. 0: the first one fails the attempt.",
    minimum=0,
)
TASK_USERLOG_LIMIT_KB = declare(
    "task.userlog.limit.kb",
    1024,
    "KiB",
    "Size limit of an attempt's log, for stdout and stderr each.",
    minimum=1,
)
TASK_PROFILE = declare(
    "task.profile",
    "none",
    "none|cpu|memory",
    "Profile some attempts; their pages show it. `cpu`: where they spend CPU time. `memory`: what "
    "holds their memory when they have most; needs `mrmesos[profile]` on all agents.",
)
TASK_PROFILE_MAPS = declare(
    "task.profile.maps", "0-2", "numbers", "The maps, or free tasks, to profile: `0-2,7`, `90-`."
)
TASK_PROFILE_REDUCES = declare("task.profile.reduces", "0-2", "numbers", "The reduces to profile.")
JOB_TRACEPARENT = declare(
    "job.traceparent",
    "",
    "00-TRACE-SPAN-FLAGS",
    "The span of OpenTelemetry that the job is a part of, in W3C's form. `submit` takes it from "
    "the variable TRACEPARENT.",
)
END_NOTIFICATION_URL = declare(
    "job.end-notification.url",
    "",
    "URL",
    "The JobTracker sends a GET request to this URL when the job has ended. `$jobId` and "
    "`$jobStatus` (SUCCEEDED, FAILED or KILLED) in it are replaced.",
)
END_NOTIFICATION_RETRIES = declare(
    "job.end-notification.retry.attempts",
    0,
    "tries",
    "How often the request is repeated if the answer is not 200; 20 times at most.",
    minimum=0,
)
END_NOTIFICATION_INTERVAL = declare(
    "job.end-notification.retry.interval",
    1000,
    "ms",
    "Pause before the request is repeated; 60,000 at most.",
    minimum=0,
)
END_NOTIFICATION_TIMEOUT = declare(
    "job.end-notification.timeout", 5000, "ms", "Longest wait for the answer.", minimum=1
)
