"""A webhook's pictures are chosen by keyboard, read out where one points, and follow what happens."""

from playwright.sync_api import Page, expect

from tests.browser.console import ConsoleTeam, RunningConsole
from tests.support.receivers import respond


def test_pictures_follow_and_the_table_behind_them_stays_open(
    console: RunningConsole, acme: ConsoleTeam, page: Page
) -> None:
    with console.receiver() as receiver:
        webhook = acme.webhook(receiver.url)
        page.goto(f"/console/teams/{acme.id}/webhooks/{webhook}")
        expect(page.get_by_text("No delivery has ended in the last 24 hours.")).to_be_visible()
        expect(page.locator("[data-live-sign]")).to_be_visible()
        acme.submit()
        deliveries = page.get_by_role("img", name="1 succeeded, 0 failed, 0 cancelled in all")
        expect(deliveries).to_be_visible(timeout=20_000)
        page.get_by_text("as numbers").click()
        expect(page.locator("#statistics-rows tr")).to_have_count(24)
        receiver.answer = respond(503)
        acme.submit()
        expect(page.get_by_role("link", name="503 Service Unavailable")).to_be_visible(timeout=20_000)
        expect(page.locator("#statistics-rows")).to_be_visible()


def test_what_is_pointed_at_is_read_out(console: RunningConsole, acme: ConsoleTeam, page: Page) -> None:
    with console.receiver() as receiver:
        webhook = acme.webhook(receiver.url)
        acme.submit()
        console.received(receiver, 1)
        page.goto(f"/console/teams/{acme.id}/webhooks/{webhook}")
        picture = page.locator("#webhook-pictures svg.bars")
        expect(picture).to_be_visible(timeout=20_000)
        expect(page.locator("#webhook-pictures")).to_contain_text("1 succeeded", timeout=20_000)
        width = page.evaluate("document.querySelector('#webhook-pictures svg.bars').clientWidth")
        picture.hover(position={"x": width - 2, "y": 40})
        reading = page.locator("#webhook-pictures .reading").first
        expect(reading).to_contain_text("Succeeded 1, Failed 0, Cancelled 0, p50")
        picture.hover(position={"x": 2, "y": 40})
        expect(reading).to_contain_text("Succeeded 0, Failed 0, Cancelled 0, p50 —")
        page.locator("h1").hover()
        expect(reading).to_have_text("")


def test_the_time_is_chosen_by_keyboard_and_stays_with_the_filter(acme: ConsoleTeam, page: Page) -> None:
    webhook = acme.webhook("https://example.com/in")
    page.goto(f"/console/teams/{acme.id}/webhooks/{webhook}")
    page.get_by_role("link", name="7 days").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="7 days")).to_have_attribute("aria-current", "true")
    expect(page.get_by_text("No delivery has ended in the last 7 days.")).to_be_visible()
    page.locator("#status").select_option("failed")
    page.get_by_role("button", name="Filter", exact=True).click()
    expect(page.get_by_role("heading", name="No deliveries match")).to_be_visible()
    expect(page.get_by_role("link", name="7 days")).to_have_attribute("aria-current", "true")
    page.get_by_role("link", name="30 days").click()
    expect(page.get_by_text("No delivery has ended in the last 30 days.")).to_be_visible()
    expect(page.locator("#status")).to_have_value("failed")
