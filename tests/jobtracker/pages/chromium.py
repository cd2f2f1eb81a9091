"""A real headless Chromium, driven by selenium. Debian's packages: chromium, chromium-driver."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
MAX_HEIGHT = 2200


def found() -> tuple[str, str] | None:
    """The browser and its driver; None if one is not installed."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser is not None and driver is not None else None


@contextmanager
def chromium() -> Iterator[Chrome]:
    """A browser, which must not have written an error to its console at the end."""
    programs = found()
    if programs is None:
        pytest.skip("no Chromium here: apt-get install chromium chromium-driver")
    options = Options()
    options.binary_location = programs[0]
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=Service(programs[1]))
    try:
        yield driver
        log: list[dict[str, object]] = driver.get_log("browser")  # type: ignore[no-untyped-call]
        problems = [entry for entry in log if entry["level"] == "SEVERE"]
        assert not problems
    finally:
        driver.quit()


def looks(driver: Chrome, *, width: int, dark: bool) -> None:
    """Show pages in this width, in the light or the dark scheme."""
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def picture(
    driver: Chrome, path: Path, width: int, *, scale: float = 1, most: int = MAX_HEIGHT
) -> None:
    """Write a picture of the whole page, or of its upper `most` pixels."""
    height = driver.execute_script("return document.documentElement.scrollHeight")
    clip = {"x": 0, "y": 0, "width": width, "height": min(height, most), "scale": scale}
    asked = {"captureBeyondViewport": True, "clip": clip}
    path.write_bytes(
        base64.b64decode(driver.execute_cdp_cmd("Page.captureScreenshot", asked)["data"])
    )
