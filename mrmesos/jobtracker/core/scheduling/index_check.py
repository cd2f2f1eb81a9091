"""What must always hold of a JobIndex, for tests."""

from __future__ import annotations

from mrmesos.jobtracker.core.scheduling.delay_scheduling import ANY, NODE
from mrmesos.jobtracker.core.scheduling.job_index import JobIndex


def validate(index: JobIndex) -> None:
    """Raise AssertionError where a set does not say what its jobs say."""
    index.flush()
    for job in index.jobs:
        place, pending = job.place, job.pending_maps
        assert place is not None, job.id
        bit, patience = place.bit, place.patience
        assert index.job_of(bit) is job
        assert bool(index.maps & bit) == job.wants_map, job.id
        assert bool(index.reduces & bit) == job.wants_reduce, job.id
        assert bool(index.retries & bit) == (job.wants_map and pending.retries), job.id
        assert bool(index.loose & bit) == (job.wants_map and pending.loose), job.id
        assert bool(index.clocked & bit) == (patience.since is not None), job.id
        assert bool(index.any_level & bit) == (patience.level == ANY), job.id
        if patience.since is not None:  # a wait that is over keeps no map from its start
            wait, waited = patience.wait, index.now - patience.since
            assert not wait.seconds or waited < wait.seconds, (job.id, waited)
            assert not wait.offers or patience.skipped < wait.offers, (job.id, patience.skipped)
        assert bool(index.rack_level & bit) == (patience.level != NODE), job.id
        assert place.map_shape.maps & bit, job.id
        assert place.reduce_shape.reduces & bit, job.id
        assert all(index.shunned.get(host, 0) & bit for host in job.shuns), job.id
        for host in pending.hosts:
            waits = pending.on_host(host) is not None
            assert waits == pending.waits_for(host), (job.id, host)
            assert waits == (index.hosts.get(host, 0) & bit != 0), (job.id, host)
            if waits:
                for agent in index.cluster.hosts.get(host, ()):
                    rack = index.racks.get(agent.rack, 0)
                    assert not agent.rack or rack & bit, (job.id, agent)
    known = sum(job.place.bit for job in index.jobs if job.place is not None)
    assert not (index.maps | index.reduces | index.clocked | index.any_level) & ~known
    for task, job in index.unheard.items():
        assert job in index.jobs, task.id
        assert task.running, task.id
