"""From the list of events to an event, its deliveries, and what they were sent again as."""

from datetime import UTC, datetime, timedelta

from playwright.sync_api import Page, expect

from tests.browser.console import MESSAGE_SENT, ConsoleTeam, RunningConsole
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


def test_an_event_is_erased_after_a_page_has_asked(console: RunningConsole, acme: ConsoleTeam, page: Page) -> None:
    with console.receiver(respond(200)) as receiver:
        acme.webhook(receiver.url, name="CRM Sync")
        event_id = acme.submit(customer="Zoë")
        page.goto(f"/console/teams/{acme.id}/events/{event_id}")
        expect(page.get_by_label("Body of the event", exact=True)).to_contain_text("Zoë")
        expect(page.locator("#delivery-rows tr")).to_contain_text("succeeded")
        page.get_by_role("link", name="Erase this event").click()
        page.get_by_role("button", name="Erase this event").click()
        expect(page.get_by_text("The event is erased.")).to_be_visible()
        expect(page.locator("main")).not_to_contain_text("Zoë")
        expect(page.get_by_role("link", name="Erase this event")).to_have_count(0)
        page.locator("#delivery-rows tr a.name").click()
        expect(page.get_by_text("The event was erased")).to_be_visible()
        expect(page.get_by_role("button", name="Resend")).to_have_count(0)


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


def test_an_event_for_later_and_its_delivery_say_until_when_they_wait(
    console: RunningConsole, acme: ConsoleTeam, page: Page
) -> None:
    later = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    with console.receiver(respond(200)) as receiver:
        acme.webhook(receiver.url, name="CRM Sync")
        event_id = acme.api.post("/v1/events", event=MESSAGE_SENT, data={"n": 1}, deliverAt=later)["id"]
        page.goto(f"/console/teams/{acme.id}/events/{event_id}")
        expect(page.get_by_text("Not delivered before")).to_be_visible()
        rows = page.locator("#delivery-rows tr")
        expect(rows).to_contain_text("waits: for its time")
        rows.locator("a.name").click()
        expect(page.locator("#delivery-state")).to_contain_text("as was asked for with its event")
        expect(page.locator("#delivery-state")).to_contain_text("Other deliveries of its webhook are made meanwhile")


def test_a_webhook_is_told_to_let_deliveries_step_aside(console: RunningConsole, acme: ConsoleTeam, page: Page) -> None:
    with console.receiver(respond(503)) as receiver:
        webhook = acme.webhook(receiver.url, name="CRM Sync")
        page.goto(f"/console/teams/{acme.id}/webhooks/{webhook}/edit")
        page.locator("details.more > summary").click()
        page.locator("#retrySchedule").fill("3600")
        page.locator("#whileRetrying").select_option(label="It steps aside")
        page.get_by_role("button", name="Save changes").click()
        expect(page.get_by_text("the others are delivered meanwhile")).to_be_visible()
        acme.submit(n=1)
        console.received(receiver, 1)
        page.goto(f"/console/teams/{acme.id}/deliveries")
        page.locator("#delivery-rows tr").locator("a.name").click()
        expect(page.locator("#delivery-state")).to_contain_text("Other deliveries of its webhook are made meanwhile")
