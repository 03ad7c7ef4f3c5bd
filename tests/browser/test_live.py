"""Pages change while one looks at them, without being loaded again."""

from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage, be_signed_in
from tests.browser.console import MESSAGE_RECEIVED, MESSAGE_SENT, ConsoleTeam, RunningConsole
from tests.support.receivers import respond


def test_a_delivery_appears_in_the_list_as_it_happens(console: RunningConsole, acme: ConsoleTeam, page: Page) -> None:
    with console.receiver() as receiver:
        webhook = acme.webhook(receiver.url)
        page.goto(f"/console/teams/{acme.id}/deliveries")
        expect(page.get_by_role("heading", name="No deliveries yet")).to_be_visible()
        remember(page)
        acme.submit(MESSAGE_RECEIVED)
        rows = page.locator("#delivery-rows tr")
        expect(rows).to_have_count(1)
        expect(rows.first).to_contain_text("succeeded")
        acme.submit()
        expect(rows).to_have_count(2)
        expect(rows.first).to_contain_text(MESSAGE_SENT)
        assert not was_loaded_again(page)
        page.goto(f"/console/teams/{acme.id}/webhooks/{webhook}")
        expect(page.locator("[data-live-sign]")).to_be_visible()


def test_a_webhook_is_disabled_before_ones_eyes_then_enabled_again_and_gets_what_it_missed(
    console: RunningConsole, acme: ConsoleTeam, page: Page
) -> None:
    with console.receiver(respond(503, b"down for maintenance")) as receiver:
        webhook = acme.webhook(receiver.url)
        page.goto(f"/console/teams/{acme.id}/webhooks/{webhook}")
        state = page.locator("#webhook-state")
        expect(state.get_by_text("active", exact=True)).to_be_visible()
        remember(page)
        first = acme.submit(n=1)
        expect(state).to_contain_text("1 of 4 deliveries in a row have failed")
        for number in (2, 3, 4):
            acme.submit(n=number)
        expect(state).to_contain_text("Its deliveries kept failing")
        expect(state.locator(".failures li")).to_have_count(4)
        expect(state.locator(".failures")).to_contain_text("503")
        assert not was_loaded_again(page)
        acme.submit(n=5)  # while it is disabled: missed without any delivery

        receiver.answer = respond(200)
        receiver.requests.clear()
        page.reload()
        page.get_by_role("button", name="Re-enable and recover 5 missed events").click()
        expect(page.get_by_text("queued again, in order: 5.")).to_be_visible()
        expect(page.locator("#webhook-state").get_by_text("active", exact=True)).to_be_visible()
        expect(page.locator("#delivery-rows tr", has_text="succeeded")).to_have_count(5)
        requests = console.received(receiver, 5)
        assert [request.body.count(b'"n":') for request in requests] == [1] * 5
        assert [int(request.body.partition(b'"n":')[2][:1]) for request in requests] == [1, 2, 3, 4, 5]
    assert {delivery["status"] for delivery in acme.api.get(f"/v1/events/{first}")["deliveries"]} == {
        "failed",
        "succeeded",
    }


def test_a_webhook_is_disabled_and_enabled_by_hand(acme: ConsoleTeam, page: Page) -> None:
    webhook = acme.webhook("http://127.0.0.1:9/hook")
    page.goto(f"/console/teams/{acme.id}/webhooks/{webhook}")
    page.get_by_role("link", name="Disable…").click()
    page.get_by_role("button", name="Disable this webhook").click()
    expect(page.locator("#webhook-state")).to_contain_text("disabled by hand")
    page.get_by_role("button", name="Re-enable", exact=True).click()
    expect(page.locator("#webhook-state").get_by_text("active", exact=True)).to_be_visible()
    assert acme.api.get(f"/v1/webhooks/{webhook}")["active"] is True


def test_what_was_missed_since_a_time_is_recovered(console: RunningConsole, acme: ConsoleTeam, page: Page) -> None:
    acme.submit(n=1)  # before there is a webhook
    with console.receiver() as receiver:
        webhook = acme.webhook(receiver.url)
        page.goto(f"/console/teams/{acme.id}/webhooks/{webhook}")
        page.get_by_label("Recover what it missed since").fill("2026-01-01T00:00")
        page.get_by_role("button", name="Recover").click()
        expect(page.get_by_text("queued again, in order: 1.")).to_be_visible()
        expect(page.locator("#delivery-rows tr")).to_contain_text("succeeded")


def test_a_pending_delivery_says_when_it_goes_on_and_ends_before_ones_eyes(
    patient_console: RunningConsole, open_page: OpenPage
) -> None:
    acme = patient_console.team("Acme", grant=100)
    with patient_console.receiver(respond(500)) as receiver:
        acme.webhook(receiver.url)
        page = open_page(patient_console.url)
        be_signed_in(page, acme.key)
        acme.submit()
        page.goto(f"/console/teams/{acme.id}/deliveries")
        page.locator("#delivery-rows a.name").click()
        state = page.locator("#delivery-state")
        expect(state).to_contain_text("The next attempt is in 4 min")
        expect(state).to_contain_text("1 of at most 4")
        expect(state.get_by_text("next", exact=True)).to_be_visible()
        remember(page)
        [delivery] = acme.deliveries()
        acme.api.patch(f"/v1/webhooks/{delivery['webhookId']}", active=False)
        expect(state).to_contain_text("the webhook was disabled")
        assert not was_loaded_again(page)


def test_deliveries_that_wait_for_credits_go_on_when_some_are_granted(
    patient_console: RunningConsole, open_page: OpenPage
) -> None:
    acme = patient_console.team("Acme")
    with patient_console.receiver() as receiver:
        acme.webhook(receiver.url)
        page = open_page(patient_console.url)
        be_signed_in(page, acme.key)
        acme.submit()
        page.get_by_role("link", name="Credits").click()
        expect(page.get_by_text("1 delivery waits for credits")).to_be_visible()
        page.get_by_role("link", name="Deliveries").click()
        page.locator("#delivery-rows a.name").click()
        state = page.locator("#delivery-state")
        expect(state).to_contain_text("It waits for credits")
        patient_console.api.post("/v1/credits/grants", teamId=acme.id, amount=10)
        expect(state).to_contain_text("The receiver took it")


def test_what_one_has_opened_and_where_the_focus_is_stay_when_a_page_changes(
    console: RunningConsole, acme: ConsoleTeam, page: Page
) -> None:
    with console.receiver() as receiver:
        acme.webhook(receiver.url)
        acme.submit(n=1)
        page.goto(f"/console/teams/{acme.id}/deliveries")
        name = page.locator("#delivery-rows a.name")
        expect(name).to_have_count(1)
        name.focus()
        address = name.get_attribute("href")
        acme.submit(n=2)
        expect(name).to_have_count(2)
        assert page.evaluate("document.activeElement.getAttribute('href')") == address


def test_rows_hold_still_while_one_reads_and_a_button_brings_the_new_ones(
    console: RunningConsole, acme: ConsoleTeam, page: Page
) -> None:
    with console.receiver() as receiver:
        acme.webhook(receiver.url)
        for number in range(12):
            acme.submit(n=number)
        page.set_viewport_size({"width": 1280, "height": 400})
        page.goto(f"/console/teams/{acme.id}/deliveries")
        rows = page.locator("#delivery-rows tr")
        expect(rows).to_have_count(12)
        page.evaluate("scrollTo(0, 300)")
        acme.submit()
        acme.submit()
        page.get_by_role("button", name="2 new").wait_for()
        expect(rows).to_have_count(12)
        page.get_by_role("button", name="2 new").click()
        expect(rows).to_have_count(14)
        expect(page.get_by_role("button", name="new")).to_have_count(0)


def test_a_lost_connection_is_told_until_it_is_back(acme: ConsoleTeam, page: Page) -> None:
    page.goto(f"/console/teams/{acme.id}/deliveries")
    expect(page.locator("[data-live-sign]")).to_be_visible()
    page.evaluate("stream.onerror()")
    expect(page.get_by_text("Connection lost, trying again").first).to_be_visible()
    expect(page.locator("[data-live-sign]")).to_be_hidden()
    page.evaluate("stream.onopen()")
    expect(page.locator("[data-lost]")).to_be_hidden()


def test_buttons_follow_the_state(console: RunningConsole, acme: ConsoleTeam, page: Page) -> None:
    webhook = acme.webhook("http://127.0.0.1:9/hook")
    page.goto(f"/console/teams/{acme.id}/webhooks/{webhook}")
    send = page.get_by_role("button", name="Send a test")
    expect(send).to_be_visible()
    acme.api.patch(f"/v1/webhooks/{webhook}", active=False)
    expect(send).to_be_hidden()
    expect(page.get_by_text("A disabled webhook gets no tests")).to_be_visible()
    acme.api.patch(f"/v1/webhooks/{webhook}", active=True)
    expect(send).to_be_visible()


def remember(page: Page) -> None:
    """Leave a mark on this page that does not outlive its being loaded again."""
    page.evaluate("window.seen = true")


def was_loaded_again(page: Page) -> bool:
    return not page.evaluate("window.seen === true")
