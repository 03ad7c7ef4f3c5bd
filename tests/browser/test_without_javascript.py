"""The main ways work without JavaScript: pages, forms, links."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage, be_signed_in
from tests.browser.console import ConsoleTeam, RunningConsole
from tests.support.receivers import respond


@pytest.fixture
def plain(open_page: OpenPage, acme: ConsoleTeam) -> Page:
    """A page of Acme's console, signed in, that runs no script."""
    page = open_page(java_script_enabled=False)
    be_signed_in(page, acme.key)
    return page


def test_a_webhook_is_created_with_a_generated_secret_and_tested(
    console: RunningConsole, acme: ConsoleTeam, plain: Page
) -> None:
    with console.receiver() as receiver:
        plain.get_by_role("link", name="Create Webhook").click()
        plain.get_by_label("Name").fill("CRM Sync")
        plain.get_by_label("URL").fill(receiver.url)
        plain.get_by_role("checkbox", name="linkedin.message.received").check()
        plain.get_by_role("button", name="Generate").click()
        secret = plain.get_by_label("Secret").input_value()
        assert secret.startswith("whsec_")
        expect(plain.get_by_role("checkbox", name="linkedin.message.received")).to_be_checked()
        plain.get_by_role("button", name="Create Webhook").click()
        expect(plain.get_by_role("region", name="The secret: copy it now")).to_contain_text(secret)
        plain.get_by_role("button", name="Send a test").click()
        console.received(receiver, 1)
        plain.get_by_role("link", name="Deliveries").click()
        plain.locator("#delivery-rows a.name").click()
        expect(plain.get_by_text("The receiver took it")).to_be_visible()
        plain.get_by_role("button", name="Resend").click()
        console.received(receiver, 2)


def test_a_disabled_webhook_is_enabled_again_and_recovered(
    console: RunningConsole, acme: ConsoleTeam, plain: Page
) -> None:
    with console.receiver(respond(500)) as receiver:
        webhook = acme.webhook(receiver.url)
        for number in range(4):
            acme.submit(n=number)
        console.received(receiver, 12)
        acme.until_disabled(webhook)
        receiver.answer = respond(200)
        plain.goto(f"/console/teams/{acme.id}/webhooks/{webhook}")
        plain.get_by_role("button", name="Re-enable and recover 4 missed events").click()
        expect(plain.get_by_text("queued again, in order: 4.")).to_be_visible()
        console.received(receiver, 16)


def test_a_webhook_is_edited_filtered_and_deleted(acme: ConsoleTeam, plain: Page) -> None:
    webhook = acme.webhook("http://127.0.0.1:9/hook")
    plain.goto(f"/console/teams/{acme.id}/webhooks/{webhook}/edit")
    plain.get_by_label("Name").fill("Ledger")
    plain.get_by_role("button", name="Save changes").click()
    plain.get_by_role("combobox", name="State").select_option("failed")
    plain.get_by_role("button", name="Filter").click()
    expect(plain.get_by_role("heading", name="No deliveries match")).to_be_visible()
    plain.get_by_role("link", name="Delete…").click()
    plain.get_by_role("button", name="Delete this webhook").click()
    expect(plain.get_by_role("heading", name="No webhooks yet")).to_be_visible()
    plain.get_by_role("button", name="Sign out").click()
    expect(plain.get_by_role("heading", name="Sign in")).to_be_visible()
