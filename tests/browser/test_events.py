"""From the list of events to an event, its deliveries, and what they were sent again as."""

from playwright.sync_api import Page, expect

from tests.browser.console import ConsoleTeam, RunningConsole
from tests.support.receivers import respond


def test_an_event_is_followed_from_the_list_to_what_became_of_it(
    console: RunningConsole, acme: ConsoleTeam, page: Page
) -> None:
    with console.receiver(respond(503)) as receiver:
        acme.webhook(receiver.url, name="CRM Sync")
        page.goto(f"/console/teams/{acme.id}/events")
        expect(page.get_by_role("heading", name="No events yet")).to_be_visible()
        acme.submit(greeting="hello")
        page.reload()
        page.locator("tbody a.name").click()
        expect(page.get_by_label("Body of the event", exact=True)).to_contain_text('"greeting": "hello"')
        rows = page.locator("#delivery-rows tr")
        expect(rows).to_contain_text("failed")
        expect(rows).to_contain_text("503 · ")

        rows.locator("a.name").click()
        page.get_by_role("button", name="Resend").click()
        expect(page.get_by_text("Resend of")).to_be_visible()
        page.locator("dl a[href*='/deliveries/']").click()
        expect(page.get_by_text("Resent as")).to_be_visible()
        page.locator("dl a[href*='/events/']").click()
        expect(rows).to_have_count(2)
        expect(rows.last).to_contain_text("resend of")


def test_the_search_box_finds_an_event_by_what_is_in_it(acme: ConsoleTeam, page: Page) -> None:
    event_id = acme.submit(customer="Zoë", note='say "hi"')
    page.goto(f"/console/teams/{acme.id}/credits")
    box = page.get_by_role("searchbox", name="Find an id")
    for text in ("Zoë", 'say "hi"', "data.customer=Zoë", event_id[:12]):
        box.fill(text)
        box.press("Enter")
        expect(page.locator("tbody")).to_contain_text(event_id)
        expect(box).to_have_value(text)
    box.fill("nobody has this")
    box.press("Enter")
    expect(page.get_by_role("heading", name="Nothing was found")).to_be_visible()
    box.fill(event_id)
    box.press("Enter")
    expect(page.get_by_label("Body of the event", exact=True)).to_contain_text("Zoë")
