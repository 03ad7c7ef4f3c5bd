"""Many deliveries are ticked and resent or cancelled: with mouse, keyboard, and without JavaScript."""

from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage, be_signed_in
from tests.browser.console import ConsoleTeam, RunningConsole


def paused(team: ConsoleTeam, url: str, count: int) -> str:
    """Make a webhook that is paused, with so many deliveries that wait."""
    webhook = team.webhook(url)
    team.api.patch(f"/v1/webhooks/{webhook}", paused=True)
    for number in range(count):
        team.submit(n=number)
    return webhook


def test_what_is_ticked_stays_ticked_while_rows_come_and_is_cancelled_by_one_job(
    console: RunningConsole, acme: ConsoleTeam, page: Page
) -> None:
    with console.receiver() as receiver:
        paused(acme, receiver.url, 3)
        page.get_by_role("link", name="Deliveries").click()
        expect(page.locator("[data-live-sign]")).to_be_visible()
        boxes = page.locator("#delivery-rows input[type=checkbox]")
        expect(boxes).to_have_count(3)
        boxes.nth(1).focus()
        page.keyboard.press("Space")
        boxes.nth(2).check()
        acme.submit(n=3)
        expect(page.get_by_role("button", name="1 new")).to_be_visible()
        expect(page.locator("#delivery-rows input:checked")).to_have_count(2)
        page.get_by_role("button", name="Cancel what is ticked…").focus()
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Cancel 2 deliveries").click()
        expect(page.get_by_text("2 of 2 cancelled")).to_be_visible()
        expect(page.locator("#job-state .badge")).to_have_text("finished")
        assert [one["status"] for one in acme.deliveries()] == ["pending", "pending", "cancelled", "cancelled"]
        page.get_by_role("link", name="Bulk jobs").click()
        expect(page.get_by_role("link", name="Cancel deliveries")).to_be_visible()


def test_all_that_the_filter_shows_is_resent_without_a_script(
    console: RunningConsole, acme: ConsoleTeam, open_page: OpenPage
) -> None:
    plain = open_page(java_script_enabled=False)
    be_signed_in(plain, acme.key)
    with console.receiver() as receiver:
        acme.webhook(receiver.url)
        for number in range(3):
            acme.submit(n=number)
        console.received(receiver, 3)
        plain.goto(f"/console/teams/{acme.id}/deliveries")
        plain.get_by_label("State").select_option("succeeded")
        plain.get_by_role("button", name="Filter").click()
        expect(plain.get_by_text("Tick all on this page")).to_be_hidden()
        plain.get_by_role("button", name="Resend all that match…").click()
        plain.get_by_role("button", name="Resend 3 deliveries").click()
        console.received(receiver, 6)
        plain.reload()
        expect(plain.get_by_text("3 of 3 resent")).to_be_visible()


def test_one_click_ticks_all_on_the_page_and_a_job_is_followed_live(
    console: RunningConsole, acme: ConsoleTeam, page: Page
) -> None:
    with console.receiver() as receiver:
        paused(acme, receiver.url, 4)
        page.get_by_role("link", name="Deliveries").click()
        page.get_by_label("Tick all on this page").check()
        expect(page.locator("#delivery-rows input:checked")).to_have_count(4)
        page.get_by_role("button", name="Resend what is ticked…").click()
        expect(page.get_by_role("heading", name="Nothing to resend")).to_be_visible()
        page.get_by_role("link", name="Back to the list").click()
        page.get_by_role("button", name="Cancel all that match…").click()
        page.get_by_role("button", name="Cancel 4 deliveries").click()
        expect(page.locator("#job-state progress")).to_have_attribute("value", "4")
