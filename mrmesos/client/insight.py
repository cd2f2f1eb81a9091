"""Asks a JobTracker about its cluster, and why its jobs wait."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from mrmesos.client.api_client import JobTrackerClient
from mrmesos.wire.cluster import CLUSTER_PATH, ClusterView
from mrmesos.wire.explain import EXPLAIN_PATH, Explanation


def explain(client: JobTrackerClient, job_id: str, task_id: str = "") -> Explanation:
    """Why the tasks of a job, or one task, wait, and why the job is or was slow."""
    path = EXPLAIN_PATH.format(job_id=quote(job_id, safe=""))
    return client.ask(f"{path}?{urlencode({'task': task_id})}", Explanation)


def cluster(client: JobTrackerClient) -> ClusterView:
    """The cluster, as it was at most a second ago."""
    return client.ask(CLUSTER_PATH, ClusterView)
