"""News of map outputs for the TaskTrackers that run reduces.

Comes in: the jobs with news and the reduces that began, as `Changes` notes them. Goes out:
MapOutputs actions. After each event.

Each finished map is news for each TaskTracker with a reduce. For a job with thousands of both, that
would be millions of messages. So the news of such a job is sent together, from time to time.
"""

from __future__ import annotations

from mrmesos.jobtracker.core.model.job import JobInProgress
from mrmesos.jobtracker.core.state.state import State
from mrmesos.wire.heartbeat import MapOutputs
from mrmesos.wire.ids import TrackerId

REDUCES_AT_ONCE = 20
"""With at most this many running reduces, the news of each finished map is sent at once."""
SECONDS_PER_REDUCE = 0.001
"""With more, the time between two rounds of news for each running reduce: about 1,000 messages a
second for a job.
"""
ROUND_SECONDS_MAX = 1.0


def send_news(st: State) -> None:
    """Send the news: all outputs to reduces that just began, and new outputs to the others."""
    began, st.changes.reduces_began = st.changes.reduces_began, {}
    for job, tracker_id in began:
        if job.id in st.jobs:
            _tell(st, job, tracker_id)
    for job in list(st.changes.news.values()):
        if _due(st, job):
            del st.changes.news[job.id]
            job.outputs.told = st.now
            for tracker_id in dict.fromkeys(a.tracker_id for a in job.running_reduces.values()):
                _tell(st, job, tracker_id)


def _due(st: State, job: JobInProgress) -> bool:
    """Whether a job's news is sent now. It is sent at once if no further map may end, because
    reduces wait for it.
    """
    reduces = len(job.running_reduces)
    if reduces <= REDUCES_AT_ONCE or job.maps.over is not None:
        return True
    return st.now - job.outputs.told >= min(ROUND_SECONDS_MAX, reduces * SECONDS_PER_REDUCE)


def _tell(st: State, job: JobInProgress, tracker_id: TrackerId) -> None:
    tracker = st.cluster.trackers.get(tracker_id)
    if tracker is None:
        return
    cursor = tracker.cursors.get(job.id)
    news = list(job.outputs.by_map.values()) if cursor is None else job.outputs.news[cursor:]
    tracker.cursors[job.id] = len(job.outputs.news)
    if news:
        st.post(tracker.id, MapOutputs(job.id, news))
