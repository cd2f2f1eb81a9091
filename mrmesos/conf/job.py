"""Settings of a job: what it is, what its tasks need and may do."""

from __future__ import annotations

from mrmesos.conf.declaring import declare

JOB_NAME = declare("job.name", "", "text", "Name shown in lists; the job class's name if empty.")
JOB_REDUCES = declare(
    "job.reduces",
    1,
    "tasks",
    "Reduce tasks, and so output files; 0 makes a map-only job.",
    minimum=0,
)
JOB_MAPS = declare(
    "job.maps",
    2,
    "tasks",
    "Least number of map tasks to aim at; a hint, as splits are cut at file and size limits.",
    minimum=1,
)
JOB_MAPS_MAX = declare(
    "job.maps.max", 1_000_000, "tasks", "A job with more splits than this is refused.", minimum=1
)
JOB_OUTPUTS_MAX = declare(
    "job.outputs.max",
    100,
    "outputs",
    "A job with more named outputs (`Job.outputs`) is refused: a task holds a file and a few MiB "
    "for each that it writes to.",
    minimum=0,
)
SPLIT_MAXSIZE = declare(
    "split.maxsize", 128 << 20, "bytes", "Most input bytes of one map task.", minimum=1
)
OUTPUT_OVERWRITE = declare(
    "output.overwrite",
    False,
    "boolean",
    "Replace a finished output that is there, once all tasks have succeeded (`--overwrite`).",
)
NAMENODE_HTTP_ADDRESS = declare(
    "dfs.namenode.http-address",
    "",
    "host:port,...",
    "Where the NameNodes of `hdfs://` inputs tell which hosts store which block (WebHDFS). Empty: "
    "as Hadoop's configuration says, else port 9870 of the NameNode.",
)
JOB_PRIORITY = declare(
    "job.priority",
    "NORMAL",
    "VERY_HIGH|HIGH|NORMAL|LOW|VERY_LOW",
    "First in line (`fifo`), or with twice the due within the pool for each step (`fair`).",
)
JOB_POOL = declare(
    "job.pool", "", "name", "The pool whose share the job has part in; the user's name if empty."
)
JOB_CONSTRAINTS = declare(
    "job.constraints",
    "",
    "constraints",
    "Agents to run on, by attributes: `rack in r1,r2; disk = ssd; gpu exists`. Further: `!=`, "
    "`not in`, `like` and `unlike` (patterns such as `node-1*`), `not exists`, `<` `<=` `>` `>=`; "
    "`hostname` is the agent's name.",
)
JOB_ROLE = declare(
    "job.role",
    "",
    "role",
    "Mesos role whose resources the job uses; any of the JobTracker's roles if empty.",
)
MAP_MAXATTEMPTS = declare(
    "map.maxattempts", 4, "attempts", "Failed attempts of one map that fail the job.", minimum=1
)
REDUCE_MAXATTEMPTS = declare(
    "reduce.maxattempts",
    4,
    "attempts",
    "Failed attempts of one reduce that fail the job.",
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
    "What else one map attempt needs: any scalar, as in `db_connections:2;disk:512;gpus:1`, and "
    "`ports`, a number of them.",
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
    "What else one reduce attempt needs: any scalar, as in `db_connections:2;disk:512;gpus:1`, and "
    "`ports`, a number of them.",
)
SLOWSTART = declare(
    "job.reduce.slowstart.completedmaps",
    1.0,
    "fraction",
    "Share of the maps that must be done before reduces start.",
    minimum=0.0,
)
MAP_REDUCE_RATIO = declare(
    "map.reduce.ratio",
    2.0,
    "maps per reduce",
    "Where both kinds wait, a TaskTracker starts a reduce once it runs this many maps for each.",
    minimum=0.0,
)
JOB_MAXTASKFAILURES = declare(
    "job.maxtaskfailures.per.tracker",
    3,
    "attempts",
    "Failed attempts of the job on one host after which it starts no more there; on at most "
    "a third of the hosts.",
    minimum=1,
)
MAP_SPECULATIVE = declare(
    "map.speculative", True, "boolean", "A map that is slow gets a second attempt elsewhere."
)
REDUCE_SPECULATIVE = declare(
    "reduce.speculative", True, "boolean", "A reduce that is slow gets a second attempt elsewhere."
)
SPECULATIVE_CAP = declare(
    "job.speculative.speculative-cap-running-tasks",
    0.1,
    "fraction",
    "Most second attempts of a job at once, as a share of its running attempts.",
    minimum=0.0,
)
SPECULATIVE_MINIMUM = declare(
    "job.speculative.minimum-allowed-tasks",
    10,
    "attempts",
    "So many second attempts are allowed at once, however few run.",
    minimum=0,
)
SPECULATIVE_LAG = declare(
    "job.speculative.lag",
    10.0,
    "seconds",
    "An attempt that has run for less is not called slow.",
    minimum=0.0,
)
SLOWTASK_THRESHOLD = declare(
    "job.speculative.slowtaskthreshold",
    1.0,
    "standard deviations",
    "An attempt is slow whose rate of progress is so far below the mean of its job's maps or "
    "reduces (but always below 0.4 of it, never above 0.67).",
    minimum=0.0,
)
TASK_TIMEOUT = declare(
    "task.timeout",
    600.0,
    "seconds",
    "An attempt that neither reads, writes nor reports for so long is killed; 0 waits for ever.",
    minimum=0.0,
)
SKIP_RECORDS_MAX = declare(
    "skip.records.max",
    0,
    "records",
    "Most records of one map, or keys of one reduce, that are left out because user code fails at "
    "them; they are kept in `_skipped` of the output. 0: the first one fails the attempt.",
    minimum=0,
)
TASK_USERLOG_LIMIT_KB = declare(
    "task.userlog.limit.kb",
    1024,
    "KiB",
    "Most kept of what an attempt prints, for stdout and stderr each.",
    minimum=1,
)
