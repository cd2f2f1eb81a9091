"""The Grafana dashboard in docs/ asks only for metrics and labels that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from prometheus_client import Metric

from mrmesos.jobtracker.core.state import views
from mrmesos.jobtracker.pages import metrics
from mrmesos.tasktracker import inspection
from mrmesos.wire.tracker_status import TrackerStatus, WorkerStatus
from tests.jobtracker.pages.test_pages import failing
from tests.jobtracker.pages.world import World

PAGE = Path(__file__).parents[3] / "docs" / "grafana.json"
SCRAPED = {"job", "instance"}
"""Labels that Prometheus adds to every metric."""
STATUS = TrackerStatus(
    tracker_id="tracker_1_1",
    hostname="a",
    seconds=1.0,
    slots=2,
    busy=1,
    memory_bytes=1,
    disk_total_bytes=2,
    disk_free_bytes=1,
    jobs=1,
    map_outputs=1,
    connections=1,
    served_bytes=1,
    served_requests=1,
    attempts={"SUCCEEDED": 1},
    workers=[WorkerStatus(pid=1)],
)


def known(world: World) -> dict[str, set[str]]:
    """The labels of each metric, by its name in a query."""
    st = world.hands.core.st
    view = replace(views.cluster_view(st), agents=views.agents_of(st, views.agent_ids(st)))
    families: list[Metric] = [*metrics.families(view, views.totals(st), 0)]
    families += inspection.families(STATUS)
    found: dict[str, set[str]] = {}
    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        for sample in family.samples:
            found.setdefault(name, set()).update(sample.labels)
        found.setdefault(name, set())
    return found


def queries(dashboard: dict[str, Any]) -> list[tuple[str, str]]:
    """Each query, and the text of its legend."""
    found = [
        (target["expr"], target["legendFormat"])
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
    ]
    return found + [
        (one["query"], "") for one in dashboard["templating"]["list"] if one["type"] == "query"
    ]


def test_every_metric_and_label_of_the_dashboard_is_there(tmp_path: Path) -> None:
    world = World(tmp_path, agents=3)
    failing(world)
    world.submit("visits", "grace", 9, 1, job_pool="etl")
    world.run(9, lambda _name: 2.0)
    there = known(world)
    asked = set()
    for query, legend in queries(json.loads(PAGE.read_text())):
        names = set(re.findall(r"mrmesos_\w+", query))
        assert names <= there.keys(), query
        asked |= names
        labels = set(re.findall(r"[{,](\w+)=", query)) - SCRAPED
        labels |= set(re.findall(r"{{(\w+)}}", legend))
        labels |= set(re.findall(r"(?:by|without) \((\w+)\)", query))
        for label in labels:
            assert any(label in there[name] for name in names), (label, query)
    unseen = there.keys() - asked
    own = {
        "mrmesos_info",
        "mrmesos_tasktracker_slots",
        "mrmesos_tasktracker_connections",
        "mrmesos_tasktracker_map_outputs",
        "mrmesos_tasktracker_shuffle_requests_total",
        "mrmesos_tasktracker_attempts_ended_total",
    }
    assert unseen <= own, "show it, or name it here"


def test_metrics_of_the_page_of_operating_are_there(tmp_path: Path) -> None:
    there = known(World(tmp_path, agents=1))
    text = (PAGE.parent / "operating.md").read_text()
    for name in re.findall(r"`(mrmesos_\w+)", text):
        assert name in there, name
