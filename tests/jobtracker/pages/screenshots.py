"""`make screenshots`: pictures of all pages in light, dark and narrow, to look at.

python -m tests.jobtracker.pages.screenshots DIRECTORY [DOCS]

DOCS gets small ones of some pages, for docs/operating.md.
"""

from __future__ import annotations

import asyncio
import sys
import sysconfig
import tempfile
import threading
from pathlib import Path

from aiohttp import web

import mrmesos
from mrmesos.jobtracker.core.state import queries
from mrmesos.wire.job import JobState
from mrmesos.wire.profile import packed
from mrmesos.worker.profiler import Tree, profile_of
from tests.jobtracker.pages.chromium import chromium, looks, picture
from tests.jobtracker.pages.world import TOKEN, World, busy

LOOKS = {"light": (1400, False), "dark": (1400, True), "narrow": (375, False)}
FOR_DOCS = ("cluster", "job", "job-failed", "job-waiting", "chain", "queue", "profile")
DOCS_HEIGHT = 900


def serve(world: World) -> str:
    """Serve the pages of a world in a thread, until the process ends. Returns the URL."""
    ready, port = threading.Event(), [0]

    async def run() -> None:
        runner = web.AppRunner(world.application())
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port[0] = runner.addresses[0][1]
        ready.set()
        await asyncio.Event().wait()

    threading.Thread(target=lambda: asyncio.run(run()), daemon=True).start()
    ready.wait()
    return f"http://127.0.0.1:{port[0]}"


def addresses(world: World) -> dict[str, str]:
    """The pages, by name."""
    core = world.hands.core
    jobs = {job.spec.name: job.id for job in core.st.jobs.values()}
    kept = core.st.ended.statuses()
    failed = next(s for s in kept if s.state is JobState.FAILED)
    report = queries.job_report(core.st, failed.job_id)
    assert report is not None
    attempt = next(row.id for row in report.attempts if row.error is not None)
    ended = next(s for s in kept if s.state is JobState.SUCCEEDED)
    running = jobs["daily word count"]
    profiled = next(name for name in world.hands.running if "_r_" in name)
    core.st.profiles.put(profiled, profile())
    return {
        "cluster": "/ui/",
        "jobs": "/ui/jobs",
        "job": f"/ui/jobs/{running}",
        "job-failed": f"/ui/jobs/{failed.job_id}",
        "job-waiting": f"/ui/jobs/{jobs['train ranking model']}",
        "attempts": f"/ui/jobs/{running}/attempts",
        "settings": f"/ui/jobs/{running}/settings",
        "job-ended": f"/ui/jobs/{ended.job_id}",
        "chain": f"/ui/chains/{next(iter(core.st.chains.live))}",
        "queues": "/ui/queues",
        "queue": f"/ui/queues/{next(iter(core.st.queues.live))}",
        "tasktracker": f"/ui/trackers/{next(iter(core.st.cluster.trackers))}",
        "stack": f"/ui/attempts/{next(iter(world.hands.running))}/stack",
        "attempt": f"/ui/attempts/{attempt}",
        "profile": f"/ui/attempts/{profiled}",
        "nothing": "/ui/jobs?q=nothing-is-like-this",
    }


def profile() -> str:
    """The profile of a program that counts words of JSON."""
    tree = Tree()
    ours = [("run_map", f"{mrmesos.__path__[0]}/task/map_task.py")]
    library, mapper = sysconfig.get_path("stdlib"), ("Visits.map", "visits.py")
    for stack, value in (
        ([mapper, ("parse", "visits.py"), ("loads", f"{library}/json/__init__.py")], 41),
        ([mapper, ("parse", "visits.py")], 12),
        ([mapper, ("country_of", "geo.py"), ("bisect", "geo.py")], 19),
        ([mapper], 7),
        ([("MapSink.add", f"{mrmesos.__path__[0]}/task/collect/map_sink.py")], 14),
        ([("read", f"{mrmesos.__path__[0]}/io/input/formats/lines.py")], 6),
    ):
        tree.add(ours + stack, value * 100_000)
    return packed(profile_of(tree, "cpu"))


def main(directory: Path, docs: Path | None) -> None:
    """Write the pictures."""
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as kept, chromium() as driver:
        world = busy(Path(kept))
        base = serve(world)
        for name, (width, dark) in LOOKS.items():
            looks(driver, width=width, dark=dark)
            driver.get(f"{base}/ui/login")
            picture(driver, directory / f"{name}-login.png", width)
            driver.find_element("name", "token").send_keys(TOKEN)
            driver.find_element("css selector", "form.login button").click()
            for page, address in addresses(world).items():
                driver.get(base + address)
                picture(driver, directory / f"{name}-{page}.png", width)
                if docs is not None and name == "light" and page in FOR_DOCS:
                    picture(driver, docs / f"page-{page}.png", width, scale=0.6, most=DOCS_HEIGHT)
                wide = driver.execute_script("return document.documentElement.scrollWidth")
                if wide > width:
                    sys.exit(f"{name}-{page} is {wide} px wide, more than {width}")
            driver.delete_all_cookies()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
