"""A team's settings, in a browser: addresses that confirm themselves, and the time zone."""

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage
from tests.browser.console import ConsoleTeam, RunningConsole


def test_an_address_is_added_and_its_reader_confirms_without_a_key(
    console: RunningConsole, acme: ConsoleTeam, page: Page, open_page: OpenPage
) -> None:
    address = f"new@{acme.id.replace('_', '-')}.example"
    page.goto(f"/console/teams/{acme.id}/settings")
    page.get_by_label("Another address").fill("nobody")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Another address")).to_have_accessible_description(
        re.compile("^Mistake: Enter an email address such as ops@example.com.")
    )
    page.get_by_label("Another address").fill(address)
    page.get_by_role("button", name="Add the address").click()
    row = page.get_by_role("row", name=address)
    expect(row).to_contain_text("asked, has not confirmed yet")
    [token] = re.findall(r"/console/confirm-address#(kwc_\S{43})\s", console.mail_to(address))
    readers, sent = open_page(), list[str]()
    readers.on("request", lambda request: sent.append(f"{request.url.partition('#')[0]} {request.headers}"))
    readers.goto(f"/console/confirm-address#{token}")
    expect(readers.get_by_label("The link of the mail")).to_be_hidden()
    assert readers.url.endswith("/console/confirm-address"), "the secret part is not left in the address bar"
    assert not any("kwc_" in each for each in sent)
    readers.get_by_role("button", name="Confirm this address").click()
    expect(readers.get_by_role("heading", name="Confirmed")).to_be_visible()
    assert readers.context.cookies() == []
    page.reload()
    expect(row).to_contain_text("gets mails")
    page.get_by_role("button", name=f"Remove {address}").click()
    expect(row).to_have_count(0)


def test_the_teams_time_zone_is_that_of_who_has_chosen_none(acme: ConsoleTeam, page: Page) -> None:
    page.goto(f"/console/teams/{acme.id}/settings")
    page.get_by_label("Time zone").select_option("Asia/Tokyo")
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("The changes are saved.")).to_be_visible()
    page.goto(f"/console/teams/{acme.id}/deliveries")
    expect(page.get_by_text("From (Asia/Tokyo)")).to_have_count(1)
    page.goto("/console/preferences")
    expect(page.get_by_label("Time zone")).to_have_value("")
    page.get_by_label("Time zone").select_option("Europe/Berlin")
    page.get_by_role("button", name="Save preferences").click()
    page.goto(f"/console/teams/{acme.id}/deliveries")
    expect(page.get_by_text("From (Europe/Berlin)")).to_have_count(1)
