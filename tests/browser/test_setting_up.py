"""The three steps of the product's help page, in a browser (seed "Setting Up a Webhook"), and what else is set up."""

import hashlib
import hmac

from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage, be_signed_in
from tests.browser.console import MESSAGE_RECEIVED, ConsoleTeam, RunningConsole


def test_by_mouse_a_webhook_is_created_and_gets_a_signed_test(
    console: RunningConsole, acme: ConsoleTeam, page: Page
) -> None:
    with console.receiver() as receiver:
        page.get_by_role("navigation", name="Main").get_by_role("link", name="Webhooks").click()
        page.get_by_role("link", name="Create Webhook").click()
        page.get_by_label("Name").fill("CRM Sync")
        page.get_by_label("URL").fill(receiver.url)
        page.get_by_role("button", name="Generate").click()
        secret = page.get_by_label("Secret").input_value()
        page.get_by_role("checkbox", name=MESSAGE_RECEIVED).check()
        page.get_by_role("button", name="Create Webhook").click()

        expect(page.get_by_role("heading", name="CRM Sync")).to_be_visible()
        expect(page.get_by_role("region", name="The secret: copy it now")).to_contain_text(secret)
        page.get_by_role("button", name="Send a test").click()
        [request] = console.received(receiver, 1)
        expected = hmac.new(secret.encode(), request.body, hashlib.sha256).hexdigest()
        assert request.header("X-Kakiyo-Signature") == expected
        assert request.header("X-Kakiyo-Test") == "true"
        expect(page.locator("#delivery-rows tr")).to_contain_text("succeeded")
    [webhook] = acme.api.get("/v1/webhooks")["items"]
    assert webhook["events"] == [MESSAGE_RECEIVED]


def test_by_keyboard_alone_a_webhook_is_created(
    console: RunningConsole, acme: ConsoleTeam, open_page: OpenPage
) -> None:
    page = open_page()
    page.goto("/console/")
    expect(page.get_by_label("API key")).to_be_focused()
    page.keyboard.type(acme.key)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Sign out").wait_for()
    tab_to(page, "Create your first webhook")
    page.keyboard.press("Enter")
    page.wait_for_url("**/webhooks/new")
    for label, text in (("Name", "CRM Sync"), ("URL", f"{console.url}/healthz")):
        tab_to(page, label)
        page.keyboard.type(text)
    tab_to(page, "Generate")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Secret")).to_be_focused()
    tab_to(page, "All events (*)")
    page.keyboard.press("Space")
    tab_to(page, "Create Webhook")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="The secret: copy it now")).to_contain_text("whsec_")
    [webhook] = acme.api.get("/v1/webhooks")["items"]
    assert (webhook["name"], webhook["events"], webhook["hasSecret"]) == ("CRM Sync", ["*"], True)


def test_the_secret_is_shown_once(acme: ConsoleTeam, page: Page) -> None:
    page.goto(f"/console/teams/{acme.id}/webhooks/new")
    page.get_by_label("Name").fill("CRM Sync")
    page.get_by_label("URL").fill("http://127.0.0.1:9/hook")
    page.get_by_role("button", name="Generate").click()
    page.get_by_role("checkbox", name="All events").check()
    page.get_by_role("button", name="Create Webhook").click()
    secret = page.get_by_role("region", name="The secret: copy it now").locator("code").inner_text()
    assert secret in page.content()
    page.reload()
    expect(page.get_by_role("heading", name="CRM Sync")).to_be_visible()
    expect(page.get_by_text("copy it now")).to_have_count(0)
    assert secret not in page.content()


def test_a_webhook_is_edited_and_its_secret_rotated(acme: ConsoleTeam, page: Page) -> None:
    webhook = acme.webhook("http://127.0.0.1:9/hook", secret="generate")
    page.goto(f"/console/teams/{acme.id}/webhooks/{webhook}")
    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_label("Name").fill("Ledger")
    page.get_by_role("checkbox", name="All events").uncheck()
    page.get_by_role("checkbox", name=MESSAGE_RECEIVED).check()
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_role("heading", name="Ledger")).to_be_visible()
    page.get_by_role("link", name="Rotate secret").click()
    page.get_by_role("button", name="Generate").click()
    page.get_by_role("button", name="Rotate secret").click()
    expect(page.get_by_text("the previous secret signs, too")).to_be_visible()
    expect(page.get_by_role("region", name="The secret: copy it now")).to_contain_text("whsec_")


def test_a_webhook_gets_a_key_pair_in_its_form_and_another_one_on_the_page_of_its_secret(
    acme: ConsoleTeam, page: Page
) -> None:
    webhook = acme.webhook("http://127.0.0.1:9/hook")
    page.goto(f"/console/teams/{acme.id}/webhooks/{webhook}/edit")
    page.get_by_text("More options").click()
    page.get_by_label("Signature").select_option(label="With a key pair (ed25519)")
    page.get_by_role("button", name="Save changes").click()
    before = acme.api.get(f"/v1/webhooks/{webhook}/public-key")["publicKey"]
    expect(page.get_by_text(before)).to_be_visible()
    page.get_by_role("link", name="Rotate key pair").click()
    page.get_by_role("button", name="Rotate key pair").click()
    expect(page.get_by_text("The previous one signs, too")).to_contain_text(before)
    expect(page.get_by_text(acme.api.get(f"/v1/webhooks/{webhook}/public-key")["publicKey"])).to_be_visible()


def test_headers_are_typed_in_the_form_and_stay_with_what_is_secret_hidden(acme: ConsoleTeam, page: Page) -> None:
    webhook = acme.webhook("http://127.0.0.1:9/hook")
    page.goto(f"/console/teams/{acme.id}/webhooks/{webhook}/edit")
    page.get_by_text("More options").click()
    page.locator("#headers").fill("X-Tenant: acme")
    page.get_by_label("Hidden headers").fill("Authorization: Bearer s3cret-token")
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("X-Tenant: acme; Authorization: •••")).to_be_visible()
    page.get_by_role("link", name="Edit", exact=True).click()
    expect(page.get_by_label("Hidden headers")).to_have_value("Authorization: •••")
    assert "s3cret-token" not in page.content()
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("X-Tenant: acme; Authorization: •••")).to_be_visible()


def test_enter_in_a_secret_takes_what_was_typed(acme: ConsoleTeam, page: Page) -> None:
    page.goto(f"/console/teams/{acme.id}/webhooks/new")
    page.get_by_label("Name").fill("CRM Sync")
    page.get_by_label("URL").fill("http://127.0.0.1:9/hook")
    page.get_by_role("checkbox", name="All events").check()
    page.get_by_label("Secret").fill("my own secret")
    page.get_by_label("Secret").press("Enter")
    shown = page.get_by_role("region", name="The secret: copy it now").locator("code")
    expect(shown).to_have_text("my own secret")
    page.get_by_role("link", name="Rotate secret").click()
    page.get_by_role("textbox", name="New secret").fill("my next secret")
    page.get_by_role("textbox", name="New secret").press("Enter")
    expect(shown).to_have_text("my next secret")


def test_removing_a_secret_asks_first(acme: ConsoleTeam, page: Page) -> None:
    webhook = acme.webhook("http://127.0.0.1:9/hook", secret="generate")
    page.goto(f"/console/teams/{acme.id}/webhooks/{webhook}/secret")
    page.get_by_role("link", name="Remove the secret…").click()
    page.get_by_role("link", name="Keep it").click()
    assert acme.api.get(f"/v1/webhooks/{webhook}")["hasSecret"] is True
    page.get_by_role("link", name="Remove the secret…").click()
    page.get_by_role("button", name="Remove the secret").click()
    expect(page.get_by_text("The secret is removed")).to_be_visible()
    assert acme.api.get(f"/v1/webhooks/{webhook}")["hasSecret"] is False


def test_a_filter_is_tried_beside_the_form_and_then_kept(acme: ConsoleTeam, page: Page) -> None:
    webhook = acme.webhook("http://127.0.0.1:9/hook")
    page.goto(f"/console/teams/{acme.id}/webhooks/{webhook}/edit")
    page.get_by_text("More options").click()
    page.get_by_label("Filter optional").fill("event = 'a.b'")
    page.get_by_label("Try the filter on").fill(MESSAGE_RECEIVED)
    page.get_by_role("button", name="Try it").click()
    expect(page.locator("#filter-mistake")).to_contain_text("column 7")
    page.get_by_label("Filter optional").fill(f"event == '{MESSAGE_RECEIVED}'")
    page.get_by_role("button", name="Try it").click()
    expect(page.locator("#tryOn-says")).to_have_text("It matches: the webhook would get it.")
    assert acme.api.get(f"/v1/webhooks/{webhook}")["filter"] is None
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text(f"event == '{MESSAGE_RECEIVED}'")).to_be_visible()


def test_a_webhook_is_deleted_after_it_was_asked_for_again(acme: ConsoleTeam, page: Page) -> None:
    webhook = acme.webhook("http://127.0.0.1:9/hook")
    page.goto(f"/console/teams/{acme.id}/webhooks/{webhook}")
    page.get_by_role("link", name="Delete…").click()
    page.get_by_role("link", name="Keep it").click()
    page.get_by_role("link", name="Delete…").click()
    page.get_by_role("button", name="Delete this webhook").click()
    expect(page.get_by_text("No webhooks yet")).to_be_visible()
    assert acme.api.get("/v1/webhooks")["items"] == []


def test_an_example_stands_beside_the_code_that_verifies_it(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("link", name="Event types").click()
    page.get_by_role("link", name=MESSAGE_RECEIVED).click()
    expect(page.get_by_role("region", name="Example payload")).to_contain_text(f'"event": "{MESSAGE_RECEIVED}"')
    page.get_by_role("button", name="Copy the Standard Webhooks code").click()
    assert "Webhook(secret).verify(body, headers)" in page.evaluate("navigator.clipboard.readText()")
    page.get_by_text("Python", exact=True).click()
    page.get_by_role("button", name="Copy the Python code").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "compare_digest" in copied
    compile(copied, "verify.py", "exec")
    page.get_by_text("JavaScript", exact=True).click()
    expect(page.get_by_label("JavaScript code", exact=True)).to_contain_text("timingSafeEqual")


def test_the_operator_makes_a_team_with_a_key_and_credits(
    console: RunningConsole, operators: Page, open_page: OpenPage
) -> None:
    operators.get_by_role("link", name="Teams and keys").click()
    operators.get_by_label("Name").fill("Globex")
    operators.get_by_label("Notification addresses").fill("ops@example.com")
    operators.get_by_role("button", name="Create team").click()
    operators.get_by_label("Name of a new key").fill("billing")
    operators.get_by_role("button", name="Make an API key").click()
    key = operators.get_by_role("region", name="The API key: copy it now").locator("code").inner_text()
    operators.get_by_label("Amount").fill("500")
    operators.get_by_role("button", name="Grant credits").click()
    expect(operators.get_by_role("heading", name="Credits: 500")).to_be_visible()

    globex = open_page()
    be_signed_in(globex, key)
    globex.get_by_role("link", name="Credits").click()
    expect(globex.locator(".big")).to_have_text("500")
    revoke = operators.get_by_role("button", name="Revoke the key billing")
    revoke.click()
    expect(revoke).to_contain_text("Press again")
    revoke.click()
    expect(operators.get_by_role("table")).to_contain_text("revoked")
    globex.reload()
    expect(globex.get_by_role("heading", name="Sign in")).to_be_visible()


def tab_to(page: Page, name: str) -> None:
    """Press Tab until what has this label or text has the focus."""
    focused = "document.activeElement.labels?.[0]?.textContent || document.activeElement.textContent"
    for _ in range(60):
        page.keyboard.press("Tab")
        if str(page.evaluate(focused)).strip().startswith(name):
            return
    raise AssertionError(f"Tab never came to {name}")
