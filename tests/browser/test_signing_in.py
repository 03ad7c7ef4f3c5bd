"""Signing in and out, and whom the console shows what."""

from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage, sign_in
from tests.browser.console import ConsoleTeam, RunningConsole


def test_a_wrong_key_is_refused_beside_its_field_and_a_right_one_leads_to_the_page_wanted(
    acme: ConsoleTeam, open_page: OpenPage
) -> None:
    page = open_page()
    page.goto(f"/console/teams/{acme.id}/credits")
    key = page.get_by_label("API key")
    expect(key).to_be_focused()
    key.fill("kwh_wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(key).to_have_accessible_description(
        "This key is not valid: check that you copied it whole, or ask the operator whether it was revoked. "
        "A team's key shows that team. The operator's key is in operator.key in the daemon's state directory."
    )
    key.fill(acme.key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Credits")).to_be_visible()


def test_who_has_signed_out_sees_nothing_any_more_not_even_by_going_back(acme: ConsoleTeam, page: Page) -> None:
    page.goto(f"/console/teams/{acme.id}/credits")
    [cookie] = page.context.cookies()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    # A copy of the cookie that somebody has kept.
    page.context.add_cookies([{"name": cookie["name"], "value": cookie["value"], "url": page.url}])
    page.goto(f"/console/teams/{acme.id}/credits")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_the_session_is_out_of_scripts_reach(page: Page) -> None:
    [cookie] = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Lax", "/console/")
    assert page.evaluate("document.cookie") == ""


def test_a_team_sees_nothing_of_another_team(console: RunningConsole, acme: ConsoleTeam, page: Page) -> None:
    other = console.team("Globex")
    webhook = other.webhook("http://127.0.0.1:9/hook", "Secret project")
    other.submit()
    [delivery] = other.deliveries()
    pages = ("webhooks", f"webhooks/{webhook}", "deliveries", f"deliveries/{delivery['id']}", "credits", "event-types")
    for path in (*(f"teams/{other.id}/{page}" for page in pages), f"teams/{other.id}", "teams", "system"):
        answer = page.goto(f"/console/{path}")
        assert answer is not None
        assert answer.status == 404
        expect(page.get_by_role("heading", name="There is nothing here")).to_be_visible()
        assert "Globex" not in page.content()
        assert "Secret project" not in page.content()
    page.goto(f"/console/teams/{acme.id}/webhooks/{webhook}")
    expect(page.get_by_role("heading", name="There is nothing here")).to_be_visible()
    page.goto("/console/")
    expect(page.get_by_role("link", name="System")).to_have_count(0)
    expect(page.get_by_role("link", name="Teams and keys")).to_have_count(0)


def test_the_operator_chooses_the_team_and_the_menu_stays_with_it(
    console: RunningConsole, operators: Page, open_page: OpenPage
) -> None:
    first, second = console.team("Initech"), console.team("Hooli")
    for team in (first, second):
        operators.get_by_role("link", name="Teams and keys").click()
        operators.get_by_role("link", name=team.name, exact=True).first.click()
        expect(operators.locator(".team-name")).to_contain_text(team.name)
        operators.get_by_role("link", name="System").click()
        operators.get_by_role("link", name="Credits").click()
        assert operators.url.endswith(f"/teams/{team.id}/credits")


def test_the_mails_link_leads_to_the_webhook_after_signing_in(
    console: RunningConsole, acme: ConsoleTeam, open_page: OpenPage
) -> None:
    webhook = acme.webhook("http://127.0.0.1:9/hook")
    page = open_page()
    page.goto(f"/console/webhooks/{webhook}")
    page.get_by_label("API key").fill(acme.key)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="CRM Sync")).to_be_visible()
    operators = open_page()
    sign_in(operators, console.api.key)
    operators.goto(f"/console/webhooks/{webhook}")
    expect(operators.get_by_role("heading", name="CRM Sync")).to_be_visible()
