"""Planning, committing and aborting on real files, and the errors that users see."""

from __future__ import annotations

import queue
import subprocess
import sys
from pathlib import Path

from mrmesos.jobtracker.core.messages.commands import AbortJob, CommitJob, PlanJob
from mrmesos.jobtracker.core.messages.events import (
    Event,
    JobAborted,
    JobCommitted,
    JobPlanFailed,
    JobPlanned,
)
from mrmesos.jobtracker.storage.planner import Planner, as_attempt_error
from mrmesos.wire.job import JobSpec
from mrmesos.wire.task import ErrorKind
from tests.wire.specs import job_spec

ATTEMPT = "attempt_202611201130_0001_r_000000_0"


def spec(tmp_path: Path, text: str | None = "a\nb\n") -> JobSpec:
    source = tmp_path / "in.txt"
    if text is not None:
        source.write_text(text)
    return job_spec(
        inputs=(f"file://{source}",),
        output=f"file://{tmp_path / 'out'}",
        conf={"job.maps": "2"},
    )


class Desk:
    """A planner, and the events that it posts."""

    def __init__(self) -> None:
        self.events: queue.Queue[Event] = queue.Queue()
        self.planner = Planner(self.events.put)

    def ask(self, command: PlanJob | CommitJob | AbortJob) -> Event:
        self.planner.submit(command)
        return self.events.get(timeout=30)


def test_a_job_from_plan_to_commit(tmp_path: Path) -> None:
    desk, wanted = Desk(), spec(tmp_path)
    planned = desk.ask(PlanJob("job_1", wanted))
    assert isinstance(planned, JobPlanned)
    assert sum(split.length for split in planned.splits) == 4
    temporary = tmp_path / "out" / "_temporary"
    assert temporary.is_dir()
    (temporary / ATTEMPT).mkdir()
    (temporary / ATTEMPT / "part-r-00000").write_text("a\t1\n")
    assert desk.ask(CommitJob("job_1", wanted, (ATTEMPT,))) == JobCommitted("job_1")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["_SUCCESS", "part-r-00000"]
    assert desk.planner.stop(10)


WARM_UP = """
import queue, sys, threading
from mrmesos.conf import Conf
from mrmesos.jobtracker.storage.planner import Planner
needed = {"mrmesos.io.input.splits", "mrmesos.io.output.commit", "mrmesos.io.output.registry"}
before = needed & sys.modules.keys()
planner = Planner(queue.Queue().put, Conf())
planner.warm_up()
for thread in threading.enumerate():
    if thread.name == "planner imports":
        thread.join(20)
planner.stop(5)
print(sorted(before), sorted(needed - sys.modules.keys()))
"""


def test_a_warm_planner_has_imported_what_plans_need() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", WARM_UP], capture_output=True, text=True, timeout=60
    )
    assert ran.stdout == "[] []\n", ran.stderr


def test_an_aborted_job_leaves_nothing(tmp_path: Path) -> None:
    desk, wanted = Desk(), spec(tmp_path)
    desk.ask(PlanJob("job_1", wanted))
    assert desk.ask(AbortJob("job_1", wanted)) == JobAborted("job_1")
    assert not (tmp_path / "out").exists()
    assert desk.planner.stop(10)


def test_output_of_jobs_cut_short_is_removed_after_the_stop(tmp_path: Path) -> None:
    desk = Desk()
    desk.ask(PlanJob("job_1", spec(tmp_path)))
    assert desk.planner.stop(10)
    assert (tmp_path / "out" / "_temporary").is_dir()
    desk.planner.remove_leftovers()
    assert not (tmp_path / "out").exists()


def test_complete_and_foreign_outputs_are_not_removed(tmp_path: Path) -> None:
    desk, wanted = Desk(), spec(tmp_path)
    desk.ask(PlanJob("job_1", wanted))
    desk.ask(CommitJob("job_1", wanted, ()))
    desk.ask(PlanJob("job_2", wanted))
    assert desk.planner.stop(10)
    desk.planner.remove_leftovers()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["_SUCCESS"]


def test_missing_input_and_existing_output_are_told_in_one_line(tmp_path: Path) -> None:
    desk = Desk()
    failed = desk.ask(PlanJob("job_1", spec(tmp_path, text=None)))
    assert isinstance(failed, JobPlanFailed)
    assert failed.error.kind is ErrorKind.INPUT
    assert "in.txt" in failed.error.message
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    failed = desk.ask(PlanJob("job_2", spec(tmp_path)))
    assert isinstance(failed, JobPlanFailed)
    assert failed.error.kind is ErrorKind.OUTPUT
    assert "\n" not in failed.error.message
    assert (tmp_path / "out").is_dir()
    assert desk.planner.stop(10)


def test_two_jobs_with_one_output_are_not_both_planned(tmp_path: Path) -> None:
    desk, wanted = Desk(), spec(tmp_path)
    for number in range(4):
        desk.planner.submit(PlanJob(f"job_{number}", wanted))
    answers = [desk.events.get(timeout=30) for _ in range(4)]
    assert sum(isinstance(answer, JobPlanned) for answer in answers) == 1
    assert desk.planner.stop(10)


def test_an_unexpected_error_keeps_its_traceback() -> None:
    try:
        raise KeyError("x")
    except KeyError as problem:
        error = as_attempt_error(problem)
    assert error.kind is ErrorKind.INTERNAL
    assert error.message == "KeyError: 'x'"
    assert "test_planner.py" in error.detail


def test_nothing_is_taken_after_stop(tmp_path: Path) -> None:
    desk = Desk()
    assert desk.planner.stop(10)
    desk.planner.submit(PlanJob("job_1", spec(tmp_path)))
    assert desk.events.empty()


def test_a_job_is_planned_again_over_its_own_output_only(tmp_path: Path) -> None:
    desk, wanted = Desk(), spec(tmp_path)
    assert isinstance(desk.ask(PlanJob("job_1", wanted)), JobPlanned)
    assert isinstance(desk.ask(PlanJob("job_1", wanted)), JobPlanFailed)
    assert isinstance(desk.ask(PlanJob("job_1", wanted, again=True)), JobPlanned)
    assert isinstance(desk.ask(PlanJob("job_2", wanted, again=True)), JobPlanFailed)
    # The JobTracker was killed after it made the directory, but before it wrote its name there.
    (tmp_path / "out" / "_temporary" / "_job").unlink()
    assert isinstance(desk.ask(PlanJob("job_1", wanted, again=True)), JobPlanned)
    assert desk.planner.stop(10)


def test_an_abort_of_a_job_whose_plan_was_not_heard_of_spares_what_is_not_its_own(
    tmp_path: Path,
) -> None:
    desk, wanted = Desk(), spec(tmp_path)
    desk.ask(PlanJob("job_1", wanted))
    assert desk.ask(AbortJob("job_2", wanted, planned=False)) == JobAborted("job_2")
    assert (tmp_path / "out" / "_temporary" / "_job").read_text() == "job_1"
    assert desk.ask(AbortJob("job_1", wanted, planned=False)) == JobAborted("job_1")
    assert not (tmp_path / "out").exists()
    assert desk.ask(AbortJob("job_1", wanted, planned=False)) == JobAborted("job_1")
    assert desk.planner.stop(10)
