"""Signing in and out, and whom the console shows what."""

import re
from typing import Any

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
        "Your team's key shows your team. If you came by a link, ask for a new one."
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


def test_a_customer_opens_a_portal_link_and_the_way_back_is_shown(
    console: RunningConsole, acme: ConsoleTeam, open_page: OpenPage
) -> None:
    link = portal_link(console, acme, once=True, returnUrl="https://app.example.com/settings")
    page, sent = open_page(), list[str]()
    page.on("request", lambda request: sent.append(f"{request.url.partition('#')[0]} {request.headers}"))
    page.goto(link)
    expect(page.get_by_label("Your link")).to_be_hidden()
    assert page.url.endswith("/console/portal"), "the secret part is not left in the address bar"
    assert not any("kwp_" in each for each in sent)
    page.get_by_role("button", name="Open the console").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Webhooks", exact=True)).to_be_visible()
    back = page.get_by_role("link", name="Back to app.example.com")
    expect(back).to_have_attribute("href", "https://app.example.com/settings")
    expect(page.get_by_role("link", name="Settings")).to_have_count(0)
    again = open_page()
    again.goto(link)
    again.get_by_role("button", name="Open the console").click()
    expect(again.get_by_role("alert")).to_contain_text("This link is not valid: it was used")


def test_without_scripts_a_customer_pastes_the_link(
    console: RunningConsole, acme: ConsoleTeam, open_page: OpenPage
) -> None:
    link = portal_link(console, acme)
    page = open_page(java_script_enabled=False)
    page.goto(link)
    page.get_by_label("Your link").fill(f"https://hooks.example.com{link}")
    page.get_by_role("button", name="Open the console").click()
    expect(page.get_by_role("heading", name="Webhooks", exact=True)).to_be_visible()


def test_the_operator_makes_copies_and_revokes_a_link(
    console: RunningConsole, acme: ConsoleTeam, operators: Page, open_page: OpenPage
) -> None:
    operators.context.grant_permissions(["clipboard-read", "clipboard-write"])
    operators.goto(f"/console/teams/{acme.id}")
    operators.get_by_role("link", name="Portal links").click()
    operators.get_by_label("Minutes").fill("0")
    operators.keyboard.press("Enter")
    expect(operators.get_by_label("Minutes")).to_have_accessible_description(
        re.compile("^Mistake: Enter a whole number of minutes from 1 to 10,080")
    )
    operators.get_by_label("Minutes").fill("30")
    operators.get_by_role("button", name="Make a link").click()
    operators.get_by_role("button", name="Copy the link").click()
    expect(operators.get_by_role("button", name="Copy the link")).to_have_text("Copied")
    copied = operators.evaluate("navigator.clipboard.readText()")
    customers = open_page()
    customers.goto(f"/console/portal#{copied.partition('#')[2]}")
    customers.get_by_role("button", name="Open the console").click()
    expect(customers.get_by_role("heading", name="Webhooks", exact=True)).to_be_visible()
    operators.reload()
    expect(operators.get_by_role("button", name="Copy the link")).to_have_count(0)
    revoke = operators.get_by_role("button", name="Revoke the link")
    revoke.click()
    revoke.click()
    expect(operators.get_by_text("There is none.")).to_be_visible()
    customers.reload()
    expect(customers.get_by_role("heading", name="Sign in")).to_be_visible()


def portal_link(console: RunningConsole, team: ConsoleTeam, **body: Any) -> str:
    """Return a new portal link's address here."""
    made = console.api.post(f"/v1/teams/{team.id}/portal-links", **body)
    return f"/console/portal#{made['url'].partition('#')[2]}"
