"""Settings of the framework: its share of Mesos' resources, and its answers to offers."""

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
    "Most CPUs that the framework holds at once; 0: no limit.",
    minimum=0.0,
    scope="jobtracker",
)
MESOS_MEM_MAX_MB = declare(
    "mesos.mem.max.mb",
    0,
    "MiB",
    "Most memory that the framework holds at once; 0: no limit.",
    minimum=0,
    scope="jobtracker",
)
MESOS_GPUS_MAX = declare(
    "mesos.gpus.max",
    0,
    "GPUs",
    "Most GPUs that the framework holds at once. With 0, Mesos does not offer agents with GPUs. "
    "Otherwise only jobs that need GPUs run on such agents.",
    minimum=0,
    scope="jobtracker",
)
MAINTENANCE_DRAIN_SECONDS = declare(
    "maintenance.drain.seconds",
    300.0,
    "seconds",
    "An agent gets no new attempts when its maintenance is at most this far away. For a job whose "
    "attempts take longer, this begins earlier.",
    minimum=0.0,
    scope="jobtracker",
)
TRACKERS_MINIMUM = declare(
    "trackers.minimum",
    0,
    "TaskTrackers",
    "Number of TaskTrackers kept alive before they are needed, each on its own agent.",
    minimum=0,
    scope="jobtracker",
)
MESOS_USER = declare(
    "mesos.user",
    "",
    "user name",
    "User that TaskTrackers run as. Empty: the JobTracker's user.",
    scope="jobtracker",
)
MESOS_FRAMEWORK_NAME = declare(
    "mesos.framework.name",
    "mrmesos",
    "text",
    "Name of the framework in Mesos' pages, state and metrics. Where several JobTrackers use one "
    "Mesos, give each its own name.",
    scope="jobtracker",
)
MESOS_FAILOVER_TIMEOUT = declare(
    "mesos.failover.timeout",
    10.0,
    "seconds",
    "How long Mesos keeps the tasks of a JobTracker that lost its connection. The default is "
    "enough for a reconnect, because no other JobTracker can continue without a journal. With a "
    "journal the default is a day.",
    minimum=0.0,
    scope="jobtracker",
)
MESOS_TEARDOWN_TIMEOUT = declare(
    "mesos.teardown.timeout",
    30.0,
    "seconds",
    "How long a JobTracker with nothing left to do waits for a Mesos master that accepts its "
    "TEARDOWN. It does not wait if a signal stops it.",
    minimum=0.0,
    scope="jobtracker",
)
MESOS_CHECKPOINT = declare(
    "mesos.checkpoint",
    False,
    "yes or no",
    "TaskTrackers survive a restart of their agent. Mesos then detects a dead host later: after "
    "its pings have failed (75 s), not when the connection breaks.",
    scope="jobtracker",
)
MESOS_PRINCIPAL = declare(
    "mesos.principal",
    "",
    "text",
    "Principal for authentication. Empty: none. Agents that ask for one get it, too.",
    scope="jobtracker",
)
MESOS_SECRET_FILE = declare(
    "mesos.secret.file", "", "path", "File that holds the principal's secret.", scope="jobtracker"
)
REFUSE_SECONDS_IDLE = declare(
    "offer.refuse.seconds.idle",
    300.0,
    "seconds",
    "Filter for an offer declined because no work waits. New work revives offers at once.",
    minimum=0.0,
    scope="jobtracker",
)
REFUSE_SECONDS_BUSY = declare(
    "offer.refuse.seconds.busy",
    5.0,
    "seconds",
    "Filter for an offer, or the rest of one, that is too small for the waiting work.",
    minimum=0.0,
    scope="jobtracker",
)
LOCALITY_WAIT_NODE = declare(
    "locality.wait.node",
    "1",
    "seconds, or `N offers`",
    "How long a job waits for agents that store its data, or how many other offers it declines; "
    "0: it does not wait.",
)
LOCALITY_WAIT_RACK = declare(
    "locality.wait.rack",
    "1",
    "seconds, or `N offers`",
    "How much longer the job waits for agents in the racks of its data, if racks are known.",
)
TOPOLOGY_TABLE = declare(
    "net.topology.table.file.name",
    "",
    "path",
    "File with two columns: host (name or address) and rack. The rack of other hosts comes from "
    "the script, the agent's attribute `rack`, or its fault domain.",
    scope="jobtracker",
)
TOPOLOGY_SCRIPT = declare(
    "net.topology.script.file.name",
    "",
    "path",
    "Program that gets up to 100 hosts as arguments and prints the rack of each.",
    scope="jobtracker",
)
SLOT_LEASE_SECONDS = declare(
    "slot.lease.seconds",
    60.0,
    "seconds",
    "Greatest age at which a slot takes another attempt; an older slot goes back to Mesos. The "
    "leases of slots vary between half of this value and all of it.",
    minimum=0.0,
    scope="jobtracker",
)
