"""The console in a frame of the operator's product, in a browser (contract "Portal links")."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Frame, Page, expect

from tests.browser.console import ConsoleTeam, RunningConsole
from tests.browser.product import Product


@pytest.fixture
def browser(chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context()
    context.set_default_timeout(5_000)
    yield context
    context.close()


def link_for(console: RunningConsole, team: ConsoleTeam, **body: Any) -> str:
    """Return the address of a new portal link."""
    made = console.api.post(f"/v1/teams/{team.id}/portal-links", **body)
    return f"{console.url}/console/portal#{made['url'].partition('#')[2]}"


def show(browser: BrowserContext, address: str) -> tuple[Page, Frame]:
    """Open a page of the product; return it and its frame."""
    page = browser.new_page()
    page.goto(address)
    [frame] = page.main_frame.child_frames
    return page, frame


def test_a_customer_works_in_a_frame_of_the_product(
    console: RunningConsole, product: Product, acme: ConsoleTeam, browser: BrowserContext
) -> None:
    faults = list[str]()
    browser.on("console", lambda message: faults.append(message.text))
    _, frame = show(browser, product.page(link_for(console, acme, once=True, returnUrl="https://app.example.com/")))
    expect(frame.get_by_role("heading", name="Webhooks", exact=True)).to_be_visible()
    [cookie] = browser.cookies()
    assert (cookie["name"], cookie["sameSite"], cookie["secure"]) == ("framed_console_session", "None", True)
    assert cookie.get("partitionKey"), "kept for the site around the frame alone"
    frame.get_by_role("link", name="Create Webhook").click()
    frame.get_by_label("Name").fill("CRM Sync")
    frame.get_by_label("URL").fill("http://127.0.0.1:9/hook")
    frame.get_by_label("All events").check()
    frame.get_by_role("button", name="Generate").click()
    frame.get_by_role("button", name="Create Webhook").click()
    expect(frame.get_by_text("The webhook is created.")).to_be_visible()
    expect(frame.get_by_text("whsec_").first).to_be_visible()
    [webhook] = acme.api.get("/v1/webhooks")["items"]
    expect(frame.locator("[data-live-sign]")).to_be_visible()
    acme.api.patch(f"/v1/webhooks/{webhook['id']}", active=False)
    expect(frame.get_by_role("button", name="Enable")).to_be_visible()
    frame.get_by_role("button", name="Sign out").click()
    expect(frame.get_by_role("heading", name="Open the console")).to_be_visible()
    assert faults == []


@pytest.mark.fault(
    "A page whose origin is not allowed shows a portal session in a frame, or the session of a key in any",
    "The browser refuses to show it",
    cases=4,
)
def test_no_other_page_shows_the_console_and_none_shows_it_to_a_key(
    console: RunningConsole, product: Product, acme: ConsoleTeam, browser: BrowserContext
) -> None:
    link = link_for(console, acme)
    keys = browser.new_page()
    be_signed_in_at(keys, console.url, acme.key)
    for address in (
        product.page(link, product.other_origin),
        product.page(f"{console.url}/console/teams/{acme.id}/webhooks", product.other_origin),
        product.page(f"{console.url}/console/sign-in"),
    ):
        page, frame = show(browser, address)
        assert is_refused(frame), address
        page.close()
    # The allowed origin's frame has no session: a browser that sends a key's cookie along is not believed.
    page, frame = show(browser, product.page(f"{console.url}/console/teams/{acme.id}/webhooks"))
    expect(frame.get_by_role("heading", name="You are signed out")).to_be_visible()
    keys.reload()
    expect(keys.get_by_role("heading", name="Webhooks", exact=True)).to_be_visible()


def be_signed_in_at(page: Page, url: str, key: str) -> None:
    answer = page.context.request.post(f"{url}/console/sign-in", form={"key": key}, max_redirects=0)
    page.goto(f"{url}{answer.headers['location']}")


def is_refused(frame: Frame) -> bool:
    """Whether the browser shows its own page instead of the console's."""
    frame.wait_for_load_state()
    return frame.url.startswith("chrome-error:")
