"""Every setting of mrmesos, once: name, type, unit, default and a line of documentation.

Names are Hadoop's without the `mapreduce.` prefix where Hadoop has one, so that people who know
Hadoop find `io.sort.mb` or `map.maxattempts` where they expect them. A job's settings come from
`-D name=value`; those of the JobTracker from `mrmesos jobtracker -D name=value`.
`docs/settings.md` is written from this table.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T", str, int, float, bool)

_TRUE, _FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})


class ConfError(ValueError):
    """A setting's value cannot be used; the message names the setting, the value and the remedy."""


@dataclass(frozen=True, slots=True)
class Setting(Generic[T]):
    """One setting. `minimum` is inclusive and applies to numbers only; `unit` is for people."""

    name: str
    kind: type[T]
    default: T
    unit: str
    doc: str
    minimum: float | None = None
    scope: str = "job"

    def parse(self, text: str) -> T:
        """The typed value of `text`. Raises ConfError where it is not one."""
        try:
            value = self._convert(text.strip())
        except ValueError:
            raise ConfError(
                f"{self.name}={text!r}: expected {self.kind.__name__} ({self.unit})"
            ) from None
        if self.minimum is not None and not isinstance(value, str) and not value >= self.minimum:
            raise ConfError(f"{self.name}={text!r}: must be at least {self.minimum:g} {self.unit}")
        return value

    def _convert(self, text: str) -> T:
        if self.kind is bool:
            lowered = text.lower()
            if lowered not in _TRUE | _FALSE:
                raise ValueError(text)
            return self.kind(lowered in _TRUE)
        return self.kind(text)


_table: dict[str, Setting[str] | Setting[int] | Setting[float] | Setting[bool]] = {}


def _setting(
    name: str,
    default: T,
    unit: str,
    doc: str,
    *,
    minimum: float | None = None,
    scope: str = "job",
) -> Setting[T]:
    setting = Setting(name, type(default), default, unit, doc, minimum, scope)
    _table[name] = setting
    return setting


# --- The job -------------------------------------------------------------------------------------
JOB_NAME = _setting("job.name", "", "text", "Name shown in lists; the job class's name if empty.")
JOB_REDUCES = _setting(
    "job.reduces",
    1,
    "tasks",
    "Reduce tasks, and so output files; 0 makes a map-only job.",
    minimum=0,
)
JOB_MAPS = _setting(
    "job.maps",
    2,
    "tasks",
    "Least number of map tasks to aim at; a hint, as splits are cut at file and size limits.",
    minimum=1,
)
JOB_MAPS_MAX = _setting(
    "job.maps.max", 1_000_000, "tasks", "A job with more splits than this is refused.", minimum=1
)
SPLIT_MAXSIZE = _setting(
    "split.maxsize", 128 << 20, "bytes", "Most input bytes of one map task.", minimum=1
)
OUTPUT_OVERWRITE = _setting(
    "output.overwrite",
    False,
    "boolean",
    "Replace a finished output that is there, once all tasks have succeeded (`--overwrite`).",
)
NAMENODE_HTTP_ADDRESS = _setting(
    "dfs.namenode.http-address",
    "",
    "host:port,...",
    "Where the NameNodes of `hdfs://` inputs tell which hosts store which block (WebHDFS). Empty: "
    "as Hadoop's configuration says, else port 9870 of the NameNode.",
)
JOB_PRIORITY = _setting(
    "job.priority",
    "NORMAL",
    "VERY_HIGH|HIGH|NORMAL|LOW|VERY_LOW",
    "First in line (`fifo`), or with twice the due within the pool for each step (`fair`).",
)
JOB_POOL = _setting(
    "job.pool", "", "name", "The pool whose share the job has part in; the user's name if empty."
)
JOB_CONSTRAINTS = _setting(
    "job.constraints",
    "",
    "constraints",
    "Agents to run on, by attributes: `rack in r1,r2; disk = ssd; gpu exists`. Further: `!=`, "
    "`not in`, `like` and `unlike` (patterns such as `node-1*`), `not exists`, `<` `<=` `>` `>=`; "
    "`hostname` is the agent's name.",
)
JOB_ROLE = _setting(
    "job.role",
    "",
    "role",
    "Mesos role whose resources the job uses; any of the JobTracker's roles if empty.",
)
MAP_MAXATTEMPTS = _setting(
    "map.maxattempts", 4, "attempts", "Failed attempts of one map that fail the job.", minimum=1
)
REDUCE_MAXATTEMPTS = _setting(
    "reduce.maxattempts",
    4,
    "attempts",
    "Failed attempts of one reduce that fail the job.",
    minimum=1,
)
MAP_CPUS = _setting("map.cpus", 1.0, "CPUs", "CPUs of one running map attempt.", minimum=0.01)
MAP_MEMORY_MB = _setting(
    "map.memory.mb",
    1024,
    "MiB",
    "Memory of one map attempt; a worker that uses more is killed.",
    minimum=128,
)
MAP_RESOURCES = _setting(
    "map.resources",
    "",
    "Mesos resources",
    "What else one map attempt needs: any scalar, as in `db_connections:2;disk:512;gpus:1`, and "
    "`ports`, a number of them.",
)
REDUCE_CPUS = _setting("reduce.cpus", 1.0, "CPUs", "CPUs of one reduce attempt.", minimum=0.01)
REDUCE_MEMORY_MB = _setting(
    "reduce.memory.mb",
    1024,
    "MiB",
    "Memory of one reduce attempt; a worker that uses more is killed.",
    minimum=128,
)
REDUCE_RESOURCES = _setting(
    "reduce.resources",
    "",
    "Mesos resources",
    "What else one reduce attempt needs: any scalar, as in `db_connections:2;disk:512;gpus:1`, and "
    "`ports`, a number of them.",
)
SLOWSTART = _setting(
    "job.reduce.slowstart.completedmaps",
    1.0,
    "fraction",
    "Share of the maps that must be done before reduces start.",
    minimum=0.0,
)
MAP_REDUCE_RATIO = _setting(
    "map.reduce.ratio",
    2.0,
    "maps per reduce",
    "Where both kinds wait, a TaskTracker starts a reduce once it runs this many maps for each.",
    minimum=0.0,
)
JOB_MAXTASKFAILURES = _setting(
    "job.maxtaskfailures.per.tracker",
    3,
    "attempts",
    "Failed attempts of the job on one host after which it starts no more there; on at most "
    "a third of the hosts.",
    minimum=1,
)
MAP_SPECULATIVE = _setting(
    "map.speculative", True, "boolean", "A map that is slow gets a second attempt elsewhere."
)
REDUCE_SPECULATIVE = _setting(
    "reduce.speculative", True, "boolean", "A reduce that is slow gets a second attempt elsewhere."
)
SPECULATIVE_CAP = _setting(
    "job.speculative.speculative-cap-running-tasks",
    0.1,
    "fraction",
    "Most second attempts of a job at once, as a share of its running attempts.",
    minimum=0.0,
)
SPECULATIVE_MINIMUM = _setting(
    "job.speculative.minimum-allowed-tasks",
    10,
    "attempts",
    "So many second attempts are allowed at once, however few run.",
    minimum=0,
)
SPECULATIVE_LAG = _setting(
    "job.speculative.lag",
    10.0,
    "seconds",
    "An attempt that has run for less is not called slow.",
    minimum=0.0,
)
SLOWTASK_THRESHOLD = _setting(
    "job.speculative.slowtaskthreshold",
    1.0,
    "standard deviations",
    "An attempt is slow whose rate of progress is so far below the mean of its job's maps or "
    "reduces (but always below 0.4 of it, never above 0.67).",
    minimum=0.0,
)
TASK_TIMEOUT = _setting(
    "task.timeout",
    600.0,
    "seconds",
    "An attempt that neither reads, writes nor reports for so long is killed; 0 waits for ever.",
    minimum=0.0,
)
SKIP_RECORDS_MAX = _setting(
    "skip.records.max",
    0,
    "records",
    "Most records of one map, or keys of one reduce, that are left out because user code fails at "
    "them; they are kept in `_skipped` of the output. 0: the first one fails the attempt.",
    minimum=0,
)
TASK_USERLOG_LIMIT_KB = _setting(
    "task.userlog.limit.kb",
    1024,
    "KiB",
    "Most kept of what an attempt prints, for stdout and stderr each.",
    minimum=1,
)

# --- Sort, shuffle and merge ---------------------------------------------------------------------
IO_SORT_MB = _setting(
    "io.sort.mb",
    64,
    "MiB",
    "Map output held in memory before it is sorted (or folded by an aggregate) and spilled to "
    "disk.",
    minimum=1,
)
IO_SORT_FACTOR = _setting(
    "io.sort.factor", 64, "runs", "Most sorted runs merged at once.", minimum=2
)
MAP_OUTPUT_CODEC = _setting(
    "map.output.compress.codec", "lz4", "lz4|zstd|none", "Compression of map output."
)
SHUFFLE_PARALLELCOPIES = _setting(
    "reduce.shuffle.parallelcopies",
    4,
    "connections",
    "Fetches one reduce has under way.",
    minimum=1,
)
SHUFFLE_BUFFER_MB = _setting(
    "reduce.shuffle.buffer.mb",
    128,
    "MiB",
    "Fetched map output a reduce holds in memory, and so much again of what an aggregate folds; "
    "beyond it, they go to disk.",
    minimum=1,
)
SHUFFLE_FETCH_RETRIES = _setting(
    "reduce.shuffle.fetch.retries",
    4,
    "tries",
    "Tries at one TaskTracker's map output before it is reported as not to be had.",
    minimum=1,
)
SHUFFLE_TIMEOUT = _setting(
    "reduce.shuffle.read.timeout",
    30.0,
    "seconds",
    "Longest silence of a TaskTracker that map output is read from.",
    minimum=0.1,
)

# --- JobTracker ----------------------------------------------------------------------------------
JOBTRACKER_ADDRESS = _setting(
    "jobtracker.http.address",
    "",
    "host:port",
    "Where the JobTracker listens. Empty: the address of this host that reaches the Mesos master, "
    "any free port.",
    scope="jobtracker",
)
JOBTRACKER_STATE_DIR = _setting(
    "jobtracker.state.dir",
    "",
    "directory",
    "Where the JobTracker keeps its journal, from which the next one goes on with its jobs. Empty: "
    "nowhere, and jobs end with it.",
    scope="jobtracker",
)
JOBTRACKER_ZK_SESSION_SECONDS = _setting(
    "jobtracker.zk.session.seconds",
    10.0,
    "seconds",
    "With `--zk`: a leading JobTracker that ZooKeeper has not heard of for so long is succeeded by "
    "another. Within what ZooKeeper's servers allow: 4 to 40 s, unless they are told otherwise.",
    minimum=1.0,
    scope="jobtracker",
)
JOBTRACKER_TOKEN_FILE = _setting(
    "jobtracker.token.file",
    "",
    "path",
    "Holds the token that clients of `mrmesos jobtracker` show; made at its first start, for its "
    "owner only. Empty: what MRMESOS_TOKEN_FILE names, else `~/.mrmesos/token`.",
    scope="access",
)
TLS_CERTIFICATE_FILE = _setting(
    "tls.certificate.file",
    "",
    "path",
    "PEM certificate (chain) of JobTracker and TaskTrackers, which then speak HTTPS only; at the "
    "same place on all agents. Empty: no TLS.",
    scope="access",
)
TLS_KEY_FILE = _setting(
    "tls.key.file",
    "",
    "path",
    "PEM private key of the certificate, without a password; empty where both are in one file.",
    scope="access",
)
TLS_CA_FILE = _setting(
    "tls.ca.file",
    "",
    "path",
    "PEM certificates of the authorities that vouch for JobTracker and TaskTrackers. Empty: what "
    "MRMESOS_TLS_CA_FILE names (clients), else the system's.",
    scope="access",
)
JOBTRACKER_RETIRED_MAX = _setting(
    "jobtracker.retired.jobs.max",
    100,
    "jobs",
    "Ended jobs the JobTracker remembers.",
    minimum=1,
    scope="jobtracker",
)
JOBTRACKER_JOBS_MAX = _setting(
    "jobtracker.jobs.max",
    10_000,
    "jobs",
    "Jobs in progress beyond which new ones are refused.",
    minimum=1,
    scope="jobtracker",
)
BLACKLIST_MAX = _setting(
    "jobtracker.tasktracker.maxblacklists",
    4,
    "jobs",
    "All jobs avoid a host once so many that succeeded had come to; never more than a third of the "
    "hosts.",
    minimum=1,
    scope="jobtracker",
)
BLACKLIST_FORGIVE = _setting(
    "jobtracker.tasktracker.forgive.seconds",
    900.0,
    "seconds",
    "After so long, one of those jobs is forgotten, and after as long the next.",
    minimum=1.0,
    scope="jobtracker",
)
SCHEDULER = _setting(
    "scheduler",
    "fifo",
    "fifo|fair",
    "Which job goes first: by priority and age, or whose pool, then who in it, has least of its "
    "due.",
    scope="jobtracker",
)
POOLS = _setting(
    "pools",
    "",
    "pools",
    "Weights (1 if not given) and minimum shares in CPUs (0) of pools, such as "
    "`etl:weight=2,min=4;adhoc:weight=1`.",
    scope="jobtracker",
)
POOLS_FILE = _setting(
    "pools.file",
    "",
    "path",
    "TOML file with a table a pool, such as `[etl]` with `weight = 2` and `min = 4`; `pools` goes "
    "before it.",
    scope="jobtracker",
)
PREEMPTION_TIMEOUT = _setting(
    "fairscheduler.preemption.timeout",
    0.0,
    "seconds",
    "A pool that waits so long for its minimum share gets it from pools above theirs, whose "
    "youngest attempts are killed; 0: never.",
    minimum=0.0,
    scope="jobtracker",
)
MESOS_ROLE = _setting(
    "mesos.role",
    "*",
    "roles",
    "Mesos role the framework subscribes with, or several: `etl,adhoc`.",
    scope="jobtracker",
)
MESOS_CPUS_MAX = _setting(
    "mesos.cpus.max",
    0.0,
    "CPUs",
    "Most that the framework holds at once; 0 for no limit.",
    minimum=0.0,
    scope="jobtracker",
)
MESOS_MEM_MAX_MB = _setting(
    "mesos.mem.max.mb",
    0,
    "MiB",
    "Most memory that the framework holds at once; 0 for no limit.",
    minimum=0,
    scope="jobtracker",
)
MESOS_GPUS_MAX = _setting(
    "mesos.gpus.max",
    0,
    "GPUs",
    "Most GPUs that the framework holds at once. With 0 agents that have any are not offered to "
    "it; else only jobs that ask for GPUs run on them.",
    minimum=0,
    scope="jobtracker",
)
MAINTENANCE_DRAIN_SECONDS = _setting(
    "maintenance.drain.seconds",
    300.0,
    "seconds",
    "How long before its maintenance an agent gets no new attempts; earlier, if a job's take "
    "longer.",
    minimum=0.0,
    scope="jobtracker",
)
TRACKERS_MINIMUM = _setting(
    "trackers.minimum",
    0,
    "TaskTrackers",
    "So many are kept alive ahead of need, each on an agent of its own.",
    minimum=0,
    scope="jobtracker",
)
MESOS_USER = _setting(
    "mesos.user",
    "",
    "user name",
    "User that TaskTrackers run as; the one who runs the JobTracker if empty.",
    scope="jobtracker",
)
MESOS_FRAMEWORK_NAME = _setting(
    "mesos.framework.name", "mrmesos", "text", "Name shown by Mesos.", scope="jobtracker"
)
MESOS_FAILOVER_TIMEOUT = _setting(
    "mesos.failover.timeout",
    60.0,
    "seconds",
    "How long Mesos keeps the tasks of a JobTracker that lost its connection; a day where it is "
    "not set and there is a journal.",
    minimum=0.0,
    scope="jobtracker",
)
MESOS_CHECKPOINT = _setting(
    "mesos.checkpoint",
    False,
    "yes or no",
    "TaskTrackers live on while their agent restarts. A dead host is then noticed later: when "
    "Mesos' pings to it have failed (75 s), not as soon as its connection breaks.",
    scope="jobtracker",
)
MESOS_PRINCIPAL = _setting(
    "mesos.principal",
    "",
    "text",
    "Principal to authenticate as; none if empty.",
    scope="jobtracker",
)
MESOS_SECRET_FILE = _setting(
    "mesos.secret.file", "", "path", "File that holds the principal's secret.", scope="jobtracker"
)
REFUSE_SECONDS_IDLE = _setting(
    "offer.refuse.seconds.idle",
    300.0,
    "seconds",
    "Filter of an offer declined because no work waits; new work revives offers at once.",
    minimum=0.0,
    scope="jobtracker",
)
REFUSE_SECONDS_BUSY = _setting(
    "offer.refuse.seconds.busy",
    5.0,
    "seconds",
    "Filter of an offer, or what is left of it, that is too small for the work that waits.",
    minimum=0.0,
    scope="jobtracker",
)
LOCALITY_WAIT_NODE = _setting(
    "locality.wait.node",
    "1",
    "seconds, or `N offers`",
    "How long, or how often, a job passes over agents that do not hold its data; 0: never.",
)
LOCALITY_WAIT_RACK = _setting(
    "locality.wait.rack",
    "1",
    "seconds, or `N offers`",
    "How much longer it passes over agents on other racks than its data, where racks are known.",
)
TOPOLOGY_TABLE = _setting(
    "net.topology.table.file.name",
    "",
    "path",
    "File of two columns, host (name or address) and rack. For hosts not in it: the script, the "
    "agent's attribute `rack`, its fault domain.",
    scope="jobtracker",
)
TOPOLOGY_SCRIPT = _setting(
    "net.topology.script.file.name",
    "",
    "path",
    "Program that is given up to 100 hosts as arguments and prints the rack of each.",
    scope="jobtracker",
)
SLOT_LEASE_SECONDS = _setting(
    "slot.lease.seconds",
    60.0,
    "seconds",
    "Age at which a slot is given back to Mesos instead of taking another attempt.",
    minimum=0.0,
    scope="jobtracker",
)

# --- TaskTrackers --------------------------------------------------------------------------------
TASKTRACKER_COMMAND = _setting(
    "tasktracker.command",
    "",
    "shell command",
    "Starts a TaskTracker on an agent. Empty: what is in the package or image, if there is one, "
    "else this Python with `-P -m mrmesos.tasktracker`.",
    scope="jobtracker",
)
TASKTRACKER_PACKAGE = _setting(
    "tasktracker.package",
    "",
    "URI",
    "What `mrmesos pack` made, where Mesos' fetcher finds it from agents: `http(s)://`, `hdfs://`, "
    "or a path that is on every agent. Of mrmesos, agents then need nothing but a Python of the "
    "same version.",
    scope="jobtracker",
)
TASKTRACKER_IMAGE = _setting(
    "tasktracker.container.image",
    "",
    "image",
    "Docker image that TaskTrackers run in (Mesos containerizer), with mrmesos and a `python3` "
    "that runs it.",
    scope="jobtracker",
)
TASKTRACKER_CACHE_MB = _setting(
    "tasktracker.cache.mb",
    4096,
    "MiB",
    "Disk of a TaskTracker for files of jobs (`--files`, `--archives`, `--py-files`), unpacked. "
    "Those of no job in progress stay while there is room.",
    minimum=1,
    scope="jobtracker",
)
JOBTRACKER_CACHE_MB = _setting(
    "jobtracker.cache.mb",
    4096,
    "MiB",
    "Disk of a JobTracker for code and files of jobs. Those of no job in progress stay while there "
    "is room.",
    minimum=1,
    scope="jobtracker",
)
JOB_CACHE_SINGLE_MAX_MB = _setting(
    "job.cache.limit.max-single-resource-mb",
    1024,
    "MiB",
    "A larger file is not taken.",
    minimum=1,
    scope="jobtracker",
)
TASKTRACKER_ENVIRONMENT = _setting(
    "tasktracker.environment",
    "HADOOP_CONF_DIR,HADOOP_USER_NAME,AWS_ENDPOINT_URL,AWS_DEFAULT_REGION,AWS_PROFILE",
    "names,...",
    "Environment variables that TaskTrackers get from the JobTracker where it has them. Mesos "
    "shows their values to all who may see its tasks: name no secrets.",
    scope="jobtracker",
)
TASKTRACKER_CPUS = _setting(
    "tasktracker.cpus",
    0.02,
    "CPUs",
    "The TaskTracker's own share. Each slot asks for so much less than its attempt needs, so an "
    "agent of two CPUs runs two one-CPU attempts, also of two frameworks.",
    minimum=0.01,
    scope="jobtracker",
)
TASKTRACKER_MEMORY_MB = _setting(
    "tasktracker.memory.mb",
    128,
    "MiB",
    "The TaskTracker's own memory, beside that of its slots.",
    minimum=32,
    scope="jobtracker",
)
TASKTRACKER_IDLE_SECONDS = _setting(
    "tasktracker.idle.seconds",
    5.0,
    "seconds",
    "A TaskTracker without attempts, whose map output nobody needs, goes away after so long.",
    minimum=0.0,
    scope="jobtracker",
)
HEARTBEAT_SECONDS = _setting(
    "tasktracker.heartbeat.seconds",
    1.0,
    "seconds",
    "Longest time between two heartbeats; ended attempts are reported at once.",
    minimum=0.05,
    scope="jobtracker",
)
TASKTRACKER_EXPIRY_SECONDS = _setting(
    "tasktracker.expiry.seconds",
    120.0,
    "seconds",
    "A TaskTracker that cannot reach the JobTracker for so long ends itself; one never "
    "heard of for so long after its launch is shut down.",
    minimum=1.0,
    scope="jobtracker",
)

SETTINGS: Mapping[str, Setting[str] | Setting[int] | Setting[float] | Setting[bool]] = _table


class Conf(Mapping[str, str]):
    """An immutable set of `name -> text` as users gave it, read by `get_as(SETTING)` with its type.

    Names that are no setting of ours are the job's own parameters and pass through untouched.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = dict(values or {})

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def get_as(self, setting: Setting[T]) -> T:
        """The setting's value, or its default. Raises ConfError for a value of the wrong type."""
        text = self._values.get(setting.name)
        return setting.default if text is None else setting.parse(text)

    def merged(self, other: Mapping[str, str]) -> Conf:
        """These settings with `other`'s on top."""
        return Conf({**self._values, **other})

    def check(self) -> list[str]:
        """Raise ConfError at the first bad value; return warnings about likely misspellings."""
        warnings = []
        for name, text in self._values.items():
            setting = _table.get(name)
            if setting is not None:
                setting.parse(text)
            elif close := difflib.get_close_matches(name, _table, n=1, cutoff=0.85):
                warnings.append(f"-D {name} is no setting of mrmesos; did you mean {close[0]}?")
        return warnings


def parse_assignments(assignments: tuple[str, ...] | list[str]) -> dict[str, str]:
    """`["a=1", "b=x=y"]` to `{"a": "1", "b": "x=y"}`. Raises ConfError where there is no `=`."""
    values = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise ConfError(f"-D {text}: expected name=value")
        values[name.strip()] = value
    return values


def settings_page() -> str:
    """The text of docs/settings.md: one table a scope."""
    titles = {
        "job": "Settings of a job, given by `mrmesos submit -D name=value` or `Job.conf`",
        "jobtracker": "Settings of a JobTracker, given by `mrmesos jobtracker -D name=value`, "
        "or by `submit` where it brings up its own",
        "access": "Settings of access, given to `mrmesos jobtracker` and `submit` alike",
    }
    lines = ["# Settings", "", "Written from `mrmesos/conf.py` by `python -m mrmesos.conf`."]
    for scope, title in titles.items():
        lines += ["", f"## {title}", "", "| name | default | unit | meaning |", "|---|---|---|---|"]
        for setting in _table.values():
            if setting.scope == scope:
                default = f"`{setting.default}`" if setting.default != "" else ""
                unit = setting.unit.replace("|", " or ")
                lines.append(f"| `{setting.name}` | {default} | {unit} | {setting.doc} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(settings_page(), end="")
