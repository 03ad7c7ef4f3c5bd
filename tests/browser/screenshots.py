"""Takes the pictures of the console for README and docs/console.md: python -m tests.browser.screenshots FOLDER."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from anyio.from_thread import start_blocking_portal
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from tests.browser.chromium import ARGUMENTS
from tests.browser.conftest import sign_in
from tests.browser.console import RunningConsole, running_console
from tests.browser.demo_month import ACME, DELIVERY, Month, live_a_month
from tests.browser.lived_hour import PROGRAM, keep_hour
from tests.support.programs import is_here, program

Look = Literal["light", "dark"]

LOOKS: tuple[Look, ...] = ("light", "dark")
SCREEN: ViewportSize = {"width": 1280, "height": 860}
PHONE: ViewportSize = {"width": 390, "height": 844}


def main(folder: Path) -> None:
    """Live through a month, sit down before the console, and take every picture."""
    if not is_here("chromium"):
        sys.exit("chromium is not on this machine: install it (Debian: apt install chromium) and try again")
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as directory, start_blocking_portal("trio") as portal, _browser() as browser:
        (state_dir := Path(directory) / "state").mkdir(mode=0o700)
        month = live_a_month(state_dir)
        keep_hour(hour := Path(directory) / "hour.json", month.last_hour)
        with running_console(portal, Path(directory), {"delivery": DELIVERY}, (PROGRAM, str(hour))) as console:
            for look in LOOKS:
                _wide(_open(browser, console, look, SCREEN), month, folder, look)
            _narrow(_open(browser, console, "light", PHONE, scale=2), month, folder)


def _wide(page: Page, month: Month, folder: Path, look: Look) -> None:
    team = f"/console/teams/{ACME}"
    always = {"webhooks": f"{team}/webhooks", "disabled": f"{team}/webhooks/{month.disabled.id}"}
    only_light = {
        "create": f"{team}/webhooks/new",
        "deliveries": f"{team}/deliveries",
        "event-type": f"{team}/event-types/linkedin.message.received",
        "credits": f"{team}/credits",
        "statistics": f"{team}/webhooks/{month.failing.id}?range=7d#statistics",
        "system": "/console/system",
    }
    for name, path in (always | only_light if look == "light" else always).items():
        page.goto(path)
        _take(page, folder / f"{name}-{look}.png")
    page.goto(f"{team}/webhooks/{month.failing.id}?status=pending")
    page.locator("#delivery-rows a.name").last.click()  # the oldest: the one that is being attempted
    page.locator(".timeline").wait_for()
    _take(page, folder / f"delivery-{look}.png")


def _narrow(page: Page, month: Month, folder: Path) -> None:
    for name, path in (("webhooks", "webhooks"), ("webhook", f"webhooks/{month.disabled.id}")):
        page.goto(f"/console/teams/{ACME}/{path}")
        _take(page, folder / f"{name}-phone.png")


def _open(browser: Browser, console: RunningConsole, look: Look, size: ViewportSize, scale: float = 1) -> Page:
    context = browser.new_context(
        base_url=console.url, color_scheme=look, viewport=size, device_scale_factor=scale, reduced_motion="reduce"
    )
    page = context.new_page()
    sign_in(page, console.api.key)
    return page


def _take(page: Page, path: Path) -> None:
    page.wait_for_load_state("load")
    page.screenshot(path=path)
    sys.stdout.write(f"{path}\n")


@contextmanager
def _browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program("chromium"), args=ARGUMENTS)
        yield browser
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
