"""The invariants of a JobIndex. Only tests call this."""

from __future__ import annotations

from mrmesos.jobtracker.core.scheduling.delay_scheduling import ANY, NODE
from mrmesos.jobtracker.core.scheduling.job_index import JobIndex
from mrmesos.jobtracker.core.scheduling.job_set import NO_JOBS


def validate(index: JobIndex) -> None:
    """Raise AssertionError if one of the index's sets differs from the state of its jobs."""
    index.flush()
    for entry in index.entries.values():
        job, pending = entry.job, entry.job.maps.pending
        bit, clock = entry.bit, entry.clock
        assert index.entry_of(bit) is entry
        assert not entry.left, job.id
        assert bool(index.maps & bit) == job.wants_map, job.id
        assert bool(index.reduces & bit) == job.wants_reduce, job.id
        assert bool(index.retries & bit) == (job.wants_map and pending.retries), job.id
        assert bool(index.loose & bit) == (job.wants_map and pending.loose), job.id
        assert bool(index.clocked & bit) == (clock.since is not None), job.id
        assert bool(index.any_level & bit) == (clock.level == ANY), job.id
        if clock.since is not None:  # a wait that has ended must not delay a map
            wait, waited = clock.wait, index.now - clock.since
            assert not wait.seconds or waited < wait.seconds, (job.id, waited)
            assert not wait.offers or clock.skipped < wait.offers, (job.id, clock.skipped)
        assert bool(index.rack_level & bit) == (clock.level != NODE), job.id
        rank, reduces = entry.rank, len(job.running_reduces)
        assert (rank.bit, rank.priority, rank.pool) == (
            bit,
            job.settings.priority,
            job.settings.pool,
        ), job.id
        used = (len(job.running) - reduces) * entry.map_cost + reduces * entry.reduce_cost
        assert rank.used == used, (job.id, rank.used, used)
        assert entry.map_shape.maps & bit, job.id
        assert entry.reduce_shape.reduces & bit, job.id
        assert all(index.shunned.get(host, NO_JOBS) & bit for host in job.hosts.shunned), job.id
        for host in pending.hosts:
            waits = pending.on_host(host) is not None
            assert waits == pending.waits_for(host), (job.id, host)
            assert waits == (bool(index.hosts.get(host, NO_JOBS) & bit)), (job.id, host)
            if waits:
                for agent in index.cluster.hosts.get(host, ()):
                    rack = index.racks.get(agent.rack, NO_JOBS)
                    assert not agent.rack or rack & bit, (job.id, agent)
    index.order.validate([entry.rank for entry in index.entries.values()])
    known = NO_JOBS
    for entry in index.entries.values():
        known |= entry.bit
    assert not (index.maps | index.reduces | index.clocked | index.any_level) & ~known
    for task, job in index.unheard.items():
        assert job.id in index.entries, task.id
        assert task.running, task.id
