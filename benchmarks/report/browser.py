"""A headless Chromium that shows a page: for the page's tests and for its screenshot."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.cli import UserError

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
DRIVERS = ("chromedriver", "chromium-driver")
DESKTOP, PHONE = (1280, 900), (390, 844)
"""Width and height of the page in pixels."""
WAIT_S = 60


def missing() -> str:
    """Why no browser can be started here; empty where one can."""
    try:
        import selenium  # noqa: F401  (an optional extra)
    except ImportError:
        return "selenium is not installed (`pip install selenium`, part of the extra 'test')"
    if not _first(NAMES):
        return "no Chromium is on the path (Debian: `apt-get install chromium chromium-driver`)"
    if not _first(DRIVERS):
        return "no chromedriver is on the path (Debian: `apt-get install chromium-driver`)"
    return ""


def _first(names: tuple[str, ...]) -> str | None:
    return next((path for path in map(shutil.which, names) if path), None)


@contextmanager
def opened(size: tuple[int, int] = DESKTOP, dark: bool = False) -> Iterator:
    """A selenium driver whose pages are `size` pixels large, closed at the end.

    Args:
        size: of the page itself, as a phone or a desktop has it.
        dark: what the system says that its user prefers.

    Raises:
        UserError: there is no browser on this machine; says which part is missing.
    """
    if reason := missing():
        raise UserError(f"the page cannot be shown: {reason}.")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = _first(NAMES)
    # Containers run as root and have a small /dev/shm; the page is a file of our own making.
    for flag in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(_first(DRIVERS)))
    try:
        driver.set_page_load_timeout(WAIT_S)
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1}
        metrics["mobile"] = size[0] < 600
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        yield driver
    finally:
        driver.quit()


def screenshot(page: Path, file: Path, size: tuple[int, int] = DESKTOP, dark: bool = False) -> None:
    """Write the top of the page as a PNG of `size`.

    Raises:
        UserError: there is no browser, or `file` cannot be written.
    """
    with opened(size, dark) as driver:
        driver.get(page.resolve().as_uri())
        png = driver.get_screenshot_as_png()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f".{file.name}.part")
        part.write_bytes(png)
        part.replace(file)
    except OSError as error:
        raise UserError(
            f"the screenshot cannot be written to {file} ({error.strerror}); give another file."
        ) from None
