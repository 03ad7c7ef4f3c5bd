"""A delivery's page: what was sent, what came back, when; and the lists that lead to it."""

import itertools

from playwright.sync_api import Page, expect

from tests.browser.console import MESSAGE_RECEIVED, MESSAGE_SENT, ConsoleTeam, RunningConsole
from tests.support.receivers import respond


def test_a_delivery_shows_its_attempts_and_is_sent_again(
    console: RunningConsole, acme: ConsoleTeam, page: Page
) -> None:
    with console.receiver(respond(500, b'{"error":"out of memory"}', [("X-Trace", "abc-123")])) as receiver:
        acme.webhook(receiver.url, secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        acme.submit(greeting="hello")
        sent = console.received(receiver, 3)
        receiver.answer = respond(200, b"thanks")
        page.get_by_role("link", name="Deliveries").click()
        page.locator("#delivery-rows tr", has_text="failed").locator("a.name").click()

        expect(page.locator("#delivery-state")).to_contain_text("after 3 attempts")
        expect(page.locator(".timeline rect.bad")).to_have_count(3)
        expect(page.locator(".timeline line.waited")).to_have_count(2)
        expect(page.get_by_label("Body of the requests", exact=True)).to_contain_text('"greeting": "hello"')
        for number, request in enumerate(sent, 1):
            details = page.locator(f"#attempt-{number}")
            if number < 3:
                details.locator("summary").click()
            shown = details.get_by_label(f"Request of attempt {number}").inner_text()
            assert shown.splitlines()[0].startswith("POST ")
            assert [line for line in shown.splitlines()[1:] if line] == [f"{n}: {v}" for n, v in request.headers]
            expect(details.get_by_label(f"Response of attempt {number}")).to_contain_text("out of memory")
            expect(details.get_by_label(f"Response of attempt {number}")).to_contain_text("X-Trace: abc-123")
        assert_no_tick_on_another(page)
        with page.expect_download() as download:
            page.get_by_role("link", name="Download as sent").click()
        assert download.value.path().read_bytes() == sent[0].body

        page.get_by_role("button", name="Resend").click()
        expect(page.get_by_text("queued again: this is the new delivery")).to_be_visible()
        expect(page.locator("#delivery-state")).to_contain_text("The receiver took it")
        expect(page.locator(".timeline rect.good")).to_have_count(1)


def assert_no_tick_on_another(page: Page) -> None:
    wide = page.viewport_size
    page.set_viewport_size({"width": 360, "height": 740})
    boxes = [box for tick in page.locator(".ticks text").all() if (box := tick.bounding_box())]
    assert len(boxes) > 1
    assert all(one["x"] + one["width"] < other["x"] for one, other in itertools.pairwise(boxes))
    assert wide is not None
    page.set_viewport_size(wide)


def test_deliveries_are_filtered_by_state_event_and_time(
    console: RunningConsole, acme: ConsoleTeam, page: Page
) -> None:
    with console.receiver() as good, console.receiver(respond(410)) as bad:
        acme.webhook(good.url)
        acme.webhook(bad.url, events=[MESSAGE_SENT])
        acme.submit(MESSAGE_SENT)
        acme.submit(MESSAGE_RECEIVED)
        page.get_by_role("link", name="Deliveries").click()
        rows = page.locator("#delivery-rows tr")
        expect(rows).to_have_count(3)
        expect(rows.filter(has_text="failed")).to_have_count(1)
        page.get_by_label("State").select_option("failed")
        page.get_by_role("button", name="Filter").click()
        expect(rows).to_have_count(1)
        expect(rows).to_contain_text("410 · ")
        page.get_by_role("link", name="Clear").click()
        page.get_by_label("Result").select_option("HTTP 4xx")
        page.get_by_role("button", name="Filter").click()
        expect(rows).to_have_count(1)
        expect(rows).to_contain_text("failed")
        page.get_by_role("link", name="Clear").click()
        page.get_by_label("Event").select_option(MESSAGE_RECEIVED)
        page.get_by_role("button", name="Filter").click()
        expect(rows).to_have_count(1)
        expect(rows).to_contain_text("succeeded")
        page.get_by_role("link", name="Clear").click()
        page.get_by_text("From and to").click()
        page.get_by_label("To (UTC)").fill("2026-01-01T00:00")
        page.get_by_role("button", name="Filter").click()
        expect(page.get_by_role("heading", name="No deliveries match")).to_be_visible()


def test_webhooks_are_searched_and_listed_by_state(acme: ConsoleTeam, page: Page) -> None:
    for name in ("CRM Sync", "Ledger", "Old"):
        acme.webhook(f"http://127.0.0.1:9/{name[:3].lower()}", name)
    [old] = [each for each in acme.api.get("/v1/webhooks")["items"] if each["name"] == "Old"]
    acme.api.patch(f"/v1/webhooks/{old['id']}", active=False)
    page.goto(f"/console/teams/{acme.id}/webhooks")
    rows = page.locator("#webhook-rows tr")
    expect(rows).to_have_count(3)
    page.get_by_label("Search by name or URL").fill("/led")
    page.keyboard.press("Enter")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Ledger")
    page.goto(f"/console/teams/{acme.id}/webhooks")
    page.get_by_role("link", name="Disabled 1").click()
    expect(rows).to_contain_text("Old")
    page.get_by_label("Search by name or URL").fill("nothing like it")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Show all webhooks").click()
    expect(rows).to_have_count(3)


def test_an_id_is_copied_with_one_click_and_a_time_is_exact_on_hover(acme: ConsoleTeam, page: Page) -> None:
    webhook = acme.webhook("http://127.0.0.1:9/hook")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"/console/teams/{acme.id}/webhooks/{webhook}")
    page.get_by_role("button", name="Copy the webhook's id").click()
    assert page.evaluate("navigator.clipboard.readText()") == webhook
    created = page.locator("dt", has_text="Created").locator("xpath=following-sibling::dd").locator("time")
    assert created.inner_text().endswith(("ago", "just now"))
    assert str(created.get_attribute("title")).endswith(" UTC")


def test_credits_show_the_balance_each_day_and_the_ledger(
    console: RunningConsole, acme: ConsoleTeam, page: Page
) -> None:
    with console.receiver() as receiver:
        acme.webhook(receiver.url)
        acme.submit()
        console.received(receiver, 1)
        page.get_by_role("link", name="Deliveries").click()
        expect(page.locator("#delivery-rows tr")).to_contain_text("succeeded")
        page.get_by_role("link", name="Credits").click()
    expect(page.locator(".big")).to_have_text("998")
    expect(page.get_by_text("2 in all, at most 2 on one day")).to_be_visible()
    rows = page.get_by_role("table", name="Grants and debits").locator("tbody tr")
    assert [row.split()[-1] for row in rows.all_inner_texts()] == ["998", "1,000"]


def test_the_operator_sees_how_the_daemon_is(console: RunningConsole, acme: ConsoleTeam, operators: Page) -> None:
    with console.receiver() as receiver:
        acme.webhook(receiver.url)
        acme.submit()
        console.received(receiver, 1)
        operators.get_by_role("link", name="System").click()
        expect(operators.get_by_role("region", name="Daemon")).to_contain_text("Ready")
        accepted = operators.get_by_role("region", name="Accepted", exact=True).locator(".big").inner_text()
        assert int(accepted) >= 1
        expect(operators.get_by_role("heading", name="Parked webhooks: 0")).to_be_visible()
        version = console.api.get("/openapi.json")["info"]["version"]
        expect(operators.get_by_role("region", name="Daemon")).to_contain_text(f"Version {version}")
