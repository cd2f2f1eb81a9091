"""`/metrics`, read as Prometheus reads it."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from mrmesos.jobtracker.core.state import views
from mrmesos.jobtracker.pages.metrics import families
from mrmesos.metrics_text import exposition
from tests.jobtracker.pages.test_pages import failing
from tests.jobtracker.pages.world import World


def values(world: World, lost: int = 0) -> dict[tuple[str, ...], float]:
    st = world.hands.core.st
    view = replace(views.cluster_view(st), agents=views.agents_of(st, views.agent_ids(st)))
    text = exposition(families(view, views.totals(st), lost)).decode()
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation.endswith("."), family.name
        assert family.name.startswith("mrmesos_")
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter")
            found[sample.name, *sample.labels.values()] = sample.value
    return found


def test_metrics_count_what_happened(tmp_path: Path) -> None:
    world = World(tmp_path, agents=2)
    before = values(world)
    assert before["mrmesos_mesos_connected",] == 1
    assert before["mrmesos_attempts_failed_total", "map"] == 0
    failing(world)
    world.submit("visits", "grace", 30, job_pool='a "pool"\nb')
    world.run(1)
    after = values(world, lost=3)
    assert after["mrmesos_jobs", "RUNNING"] == 1
    assert after["mrmesos_jobs_ended_total", "FAILED"] == 1
    assert after["mrmesos_attempts_failed_total", "map"] == 1
    running = after["mrmesos_attempts_running", "map"]
    assert running == after["mrmesos_slots", "busy"] > 0
    assert after["mrmesos_tasks_waiting", "map"] == 30 - running
    assert after["mrmesos_attempts_launched_total", "map"] == running + 2
    assert after["mrmesos_offers_taken_total",] >= 2
    assert after["mrmesos_history_jobs_lost_total",] == 3
    assert after["mrmesos_pool_cpus", 'a "pool"\nb'] == running
    assert after["mrmesos_held_memory_bytes",] > running * 2**30
