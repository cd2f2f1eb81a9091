"""Settings of the framework: what it takes of Mesos, and how it answers offers."""

from __future__ import annotations

from mrmesos.conf.declaring import declare

MESOS_ROLE = declare(
    "mesos.role",
    "*",
    "roles",
    "Mesos role the framework subscribes with, or several: `etl,adhoc`.",
    scope="jobtracker",
)
MESOS_CPUS_MAX = declare(
    "mesos.cpus.max",
    0.0,
    "CPUs",
    "Most that the framework holds at once; 0 for no limit.",
    minimum=0.0,
    scope="jobtracker",
)
MESOS_MEM_MAX_MB = declare(
    "mesos.mem.max.mb",
    0,
    "MiB",
    "Most memory that the framework holds at once; 0 for no limit.",
    minimum=0,
    scope="jobtracker",
)
MESOS_GPUS_MAX = declare(
    "mesos.gpus.max",
    0,
    "GPUs",
    "Most GPUs that the framework holds at once. With 0 agents that have any are not offered to "
    "it; else only jobs that ask for GPUs run on them.",
    minimum=0,
    scope="jobtracker",
)
MAINTENANCE_DRAIN_SECONDS = declare(
    "maintenance.drain.seconds",
    300.0,
    "seconds",
    "How long before its maintenance an agent gets no new attempts; earlier, if a job's take "
    "longer.",
    minimum=0.0,
    scope="jobtracker",
)
TRACKERS_MINIMUM = declare(
    "trackers.minimum",
    0,
    "TaskTrackers",
    "So many are kept alive ahead of need, each on an agent of its own.",
    minimum=0,
    scope="jobtracker",
)
MESOS_USER = declare(
    "mesos.user",
    "",
    "user name",
    "User that TaskTrackers run as; the one who runs the JobTracker if empty.",
    scope="jobtracker",
)
MESOS_FRAMEWORK_NAME = declare(
    "mesos.framework.name", "mrmesos", "text", "Name shown by Mesos.", scope="jobtracker"
)
MESOS_FAILOVER_TIMEOUT = declare(
    "mesos.failover.timeout",
    10.0,
    "seconds",
    "How long Mesos keeps the tasks of a JobTracker that lost its connection. The default is what "
    "a reconnect takes, as nobody takes over from a JobTracker without a journal. With a journal "
    "the default is a day.",
    minimum=0.0,
    scope="jobtracker",
)
MESOS_TEARDOWN_TIMEOUT = declare(
    "mesos.teardown.timeout",
    30.0,
    "seconds",
    "How long a JobTracker that has nothing more to do waits for a Mesos master that takes its "
    "end. It does not wait where it was told to end by a signal.",
    minimum=0.0,
    scope="jobtracker",
)
MESOS_CHECKPOINT = declare(
    "mesos.checkpoint",
    False,
    "yes or no",
    "TaskTrackers live on while their agent restarts. A dead host is then noticed later: when "
    "Mesos' pings to it have failed (75 s), not as soon as its connection breaks.",
    scope="jobtracker",
)
MESOS_PRINCIPAL = declare(
    "mesos.principal",
    "",
    "text",
    "Principal to authenticate as; none if empty.",
    scope="jobtracker",
)
MESOS_SECRET_FILE = declare(
    "mesos.secret.file", "", "path", "File that holds the principal's secret.", scope="jobtracker"
)
REFUSE_SECONDS_IDLE = declare(
    "offer.refuse.seconds.idle",
    300.0,
    "seconds",
    "Filter of an offer declined because no work waits; new work revives offers at once.",
    minimum=0.0,
    scope="jobtracker",
)
REFUSE_SECONDS_BUSY = declare(
    "offer.refuse.seconds.busy",
    5.0,
    "seconds",
    "Filter of an offer, or what is left of it, that is too small for the work that waits.",
    minimum=0.0,
    scope="jobtracker",
)
LOCALITY_WAIT_NODE = declare(
    "locality.wait.node",
    "1",
    "seconds, or `N offers`",
    "How long, or how often, a job passes over agents that do not hold its data; 0: never.",
)
LOCALITY_WAIT_RACK = declare(
    "locality.wait.rack",
    "1",
    "seconds, or `N offers`",
    "How much longer it passes over agents on other racks than its data, where racks are known.",
)
TOPOLOGY_TABLE = declare(
    "net.topology.table.file.name",
    "",
    "path",
    "File of two columns, host (name or address) and rack. For hosts not in it: the script, the "
    "agent's attribute `rack`, its fault domain.",
    scope="jobtracker",
)
TOPOLOGY_SCRIPT = declare(
    "net.topology.script.file.name",
    "",
    "path",
    "Program that is given up to 100 hosts as arguments and prints the rack of each.",
    scope="jobtracker",
)
SLOT_LEASE_SECONDS = declare(
    "slot.lease.seconds",
    60.0,
    "seconds",
    "Age at which a slot is given back to Mesos instead of taking another attempt, at the latest; "
    "leases are spread from half of this on.",
    minimum=0.0,
    scope="jobtracker",
)
