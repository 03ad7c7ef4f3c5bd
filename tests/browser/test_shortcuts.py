"""Single keys go to pages, but not while one types."""

from playwright.sync_api import Page, expect

from tests.browser.console import ConsoleTeam


def test_keys_go_to_pages_and_to_the_search_and_rest_in_fields(acme: ConsoleTeam, page: Page) -> None:
    root = f"/console/teams/{acme.id}"
    page.goto(f"{root}/webhooks")
    for key, place in {"d": "Deliveries", "e": "Events", "c": "Credits", "s": "Settings", "w": "Webhooks"}.items():
        page.keyboard.press("g")
        page.keyboard.press(key)
        expect(page.get_by_role("heading", name=place, exact=True, level=1)).to_be_visible()
    page.keyboard.press("d")
    page.keyboard.press("/")
    expect(page.locator("#find")).to_be_focused()
    page.keyboard.type("gd?/")
    expect(page.locator("#find")).to_have_value("gd?/")
    page.locator("#main").focus()
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keyboard shortcuts")).to_be_visible()
