"""Every form says what is wrong, beside the field, and loses nothing that was typed."""

from playwright.sync_api import Page, expect

from tests.browser.console import ConsoleTeam, RunningConsole

NAME = "Enter a name of 1 to 200 characters"


def test_a_new_webhooks_mistakes_stand_beside_their_fields_and_nothing_typed_is_lost(
    acme: ConsoleTeam, page: Page
) -> None:
    page.goto(f"/console/teams/{acme.id}/webhooks/new")
    page.get_by_role("button", name="Create Webhook").click()
    expect(page.get_by_role("alert")).to_be_focused()
    assert_mistake(page, "Name", NAME)
    assert_mistake(page, "URL", "Enter the address that deliveries are posted to")
    events = page.get_by_role("group", name="Events")
    expect(events).to_contain_text("Choose at least one event, or all events.")

    page.get_by_label("Name").fill("CRM Sync")
    page.get_by_label("URL").fill("ftp://example.com/")
    page.get_by_label("Secret").fill("whsec_not base64")
    page.get_by_role("checkbox", name="linkedin.message.received").check()
    page.get_by_role("button", name="Create Webhook").click()
    assert_mistake(page, "URL", "http")
    assert_mistake(page, "Secret", "base64")
    assert page.get_by_label("Name").input_value() == "CRM Sync"
    assert page.get_by_label("URL").input_value() == "ftp://example.com/"
    assert page.get_by_label("Secret").input_value() == "whsec_not base64"
    expect(page.get_by_role("checkbox", name="linkedin.message.received")).to_be_checked()
    assert acme.api.get("/v1/webhooks")["items"] == []


def test_a_webhooks_own_forms_say_what_is_wrong(acme: ConsoleTeam, page: Page) -> None:
    webhook = acme.webhook("http://127.0.0.1:9/hook", secret="generate")
    path = f"/console/teams/{acme.id}/webhooks/{webhook}"
    page.goto(f"{path}/edit")
    page.get_by_label("Name").fill(" ")
    page.get_by_role("checkbox", name="All events").uncheck()
    page.get_by_role("button", name="Save changes").click()
    assert_mistake(page, "Name", NAME)
    expect(page.get_by_role("group", name="Events")).to_contain_text("Choose at least one event")

    page.goto(f"{path}/secret")
    page.get_by_label("Hours in which").fill("1000")
    page.get_by_role("button", name="Rotate secret").click()
    assert_mistake(page, "New secret", "Enter a secret, or generate one.")
    assert_mistake(page, "Hours in which", "Enter a whole number of hours from 0 to 720.")
    assert page.get_by_label("Hours in which").input_value() == "1000"

    page.goto(path)
    page.get_by_role("button", name="Recover").click()
    assert_mistake(page, "Recover what it missed since", "Enter a date and a time")


def test_a_filter_that_no_form_sends_is_explained(acme: ConsoleTeam, page: Page) -> None:
    page.goto(f"/console/teams/{acme.id}/deliveries?status=lost&event=a.b&since=yesterday&until=2026-13-01T00:00")
    assert_mistake(page, "State", "Choose one of the states")
    assert_mistake(page, "Event", "Choose one of the events")
    assert_mistake(page, "From (UTC)", "Enter a date and a time")
    assert_mistake(page, "To (UTC)", "Enter a date and a time")
    expect(page.get_by_text("Correct the filter above.")).to_be_visible()


def test_the_operators_forms_say_what_is_wrong(console: RunningConsole, operators: Page) -> None:
    operators.goto("/console/teams")
    operators.get_by_label("Id", exact=False).last.fill("no spaces please")
    operators.get_by_label("Notification addresses").fill("ops@example.com\nnobody")
    operators.get_by_role("button", name="Create team").click()
    assert_mistake(operators, "Name", NAME)
    assert_mistake(operators, "Notification addresses", "Enter email addresses such as ops@example.com, one a line.")
    assert operators.get_by_label("Notification addresses").input_value() == "ops@example.com\nnobody"

    team = console.team("Umbrella")
    operators.goto(f"/console/teams/{team.id}")
    operators.get_by_role("button", name="Make an API key").click()
    assert_mistake(operators, "Name of a new key", NAME)
    operators.get_by_label("Amount").fill("many")
    operators.get_by_label("Note").fill("for November")
    operators.get_by_role("button", name="Grant credits").click()
    assert_mistake(operators, "Amount", "Enter a whole number")
    assert operators.get_by_label("Note").input_value() == "for November"
    operators.get_by_label("Name", exact=True).fill("")
    operators.get_by_role("button", name="Save changes").click()
    assert_mistake(operators, "Name", NAME, exact=True)

    taken = console.team("Taken")
    operators.goto("/console/teams")
    operators.get_by_label("Name").fill("Another")
    operators.locator("#id").fill(taken.id)
    operators.get_by_role("button", name="Create team").click()
    expect(operators.locator("#id-mistake")).to_contain_text("exists")


def test_a_form_is_sent_once_however_often_its_button_is_pressed(acme: ConsoleTeam, page: Page) -> None:
    page.goto(f"/console/teams/{acme.id}/webhooks/new")
    page.get_by_label("Name").fill("CRM Sync")
    page.get_by_label("URL").fill("http://127.0.0.1:9/hook")
    page.get_by_role("checkbox", name="All events").check()
    page.get_by_role("button", name="Create Webhook").dblclick()
    expect(page.get_by_role("heading", name="CRM Sync")).to_be_visible()
    assert len(acme.api.get("/v1/webhooks")["items"]) == 1


def assert_mistake(page: Page, label: str, sentence: str, *, exact: bool = False) -> None:
    """Expect the field to be marked as wrong and described by this sentence."""
    field = page.get_by_label(label, exact=exact).first
    expect(field).to_have_attribute("aria-invalid", "true")
    described_by = str(field.get_attribute("aria-describedby")).split()[0]
    expect(page.locator(f"#{described_by}")).to_contain_text(sentence)
