"""Fixtures: a browser, daemons, and pages whose every fault fails their test."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.chromium import ARGUMENTS, executable
from tests.browser.console import ConsoleTeam, RunningConsole, running_console
from tests.browser.product import Product, running_product
from tests.browser.watching import watch
from tests.support.process import Sections

QUICK: Sections = {"delivery": {"retry_delays_s": [0.05, 0.1]}}
PATIENT: Sections = {"delivery": {"retry_delays_s": [300, 600, 900]}, "credits": {"enforce": True}}

OpenPage = Callable[..., Page]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal("trio") as portal:
        yield portal


@pytest.fixture(scope="package")
def product() -> Iterator[Product]:
    """The operator's product, whose pages show the console in a frame."""
    with running_product() as product:
        yield product


@pytest.fixture(scope="package")
def console(
    portal: BlockingPortal, product: Product, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningConsole]:
    """A daemon that retries at once, and whose console the product may show."""
    sections = {**QUICK, "console": {"embed_origins": [product.origin]}}
    with running_console(portal, tmp_path_factory.mktemp("console"), sections) as console:
        yield console


@pytest.fixture(scope="package")
def patient_console(portal: BlockingPortal, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """A daemon that waits long before it retries, and holds back what cannot be paid."""
    with running_console(portal, tmp_path_factory.mktemp("patient"), PATIENT) as console:
        yield console


@pytest.fixture
def acme(console: RunningConsole) -> ConsoleTeam:
    return console.team("Acme", grant=1_000)


@pytest.fixture
def open_page(chromium: Browser, console: RunningConsole) -> Iterator[OpenPage]:
    """Open pages, each in a browser of its own (`options` are those of a context): what goes wrong in one fails."""
    contexts: list[BrowserContext] = []
    faults: list[list[str]] = []

    def open_one(base_url: str = "", **options: Any) -> Page:
        context = chromium.new_context(base_url=base_url or console.url, **options)
        context.set_default_timeout(5_000)
        contexts.append(context)
        page = context.new_page()
        faults.append(watch(page, base_url or console.url))
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert [fault for of_page in faults for fault in of_page] == []


@pytest.fixture
def page(open_page: OpenPage, acme: ConsoleTeam) -> Page:
    """A page of Acme's console, signed in."""
    page = open_page()
    be_signed_in(page, acme.key)
    return page


@pytest.fixture
def operators(open_page: OpenPage, console: RunningConsole) -> Page:
    """A page of the operator's console, signed in."""
    page = open_page()
    be_signed_in(page, console.api.key)
    return page


def be_signed_in(page: Page, key: str) -> None:
    """Sign in with a key as the form does, but without looking at it; open the page where that leads."""
    answer = page.context.request.post("/console/sign-in", form={"key": key}, max_redirects=0)
    assert answer.status == 303, answer.text()
    page.goto(answer.headers["location"])


def sign_in(page: Page, key: str) -> None:
    """Sign in with a key, and wait for where it leads."""
    page.goto("/console/")
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").wait_for()
