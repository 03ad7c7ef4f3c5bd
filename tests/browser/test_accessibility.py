"""Every page, in light and dark, wide and narrow, is for everybody (WCAG 2.2, A and AA, as far as axe-core sees)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import axe_playwright_python  # type: ignore[import-untyped]  # it has no types, and only its file is used
import pytest
from playwright.sync_api import Page, ViewportSize

from tests.browser.conftest import OpenPage, be_signed_in
from tests.browser.console import MESSAGE_SENT, ConsoleTeam, RunningConsole
from tests.support.receivers import Receiver, respond

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text("utf-8")
EVERY_RULE = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
UNFOLD = "document.querySelectorAll('details:not([name])').forEach(one => { one.open = true; })"


PHONE: ViewportSize = {"width": 360, "height": 740}
WIDE: ViewportSize = {"width": 1280, "height": 720}


@dataclass(frozen=True, slots=True)
class Look:
    """How somebody looks at the pages, and which rules depend on it."""

    viewport: ViewportSize
    color_scheme: Literal["light", "dark"]
    rules: list[str]
    unfolded: bool


# In this order on each page: what is unfolded stays so.
LOOKS = (
    Look(PHONE, "light", EVERY_RULE, unfolded=False),
    Look(WIDE, "light", EVERY_RULE, unfolded=True),
    Look(WIDE, "dark", ["color-contrast", "link-in-text-block"], unfolded=True),
)


@pytest.mark.timeout(300)  # some thirty pages, each in three looks
def test_axe_finds_nothing_on_any_page_and_nothing_reaches_over_its_edge(
    console: RunningConsole, open_page: OpenPage
) -> None:
    page = open_page(viewport=PHONE)
    be_signed_in(page, console.api.key)
    with lively_team(console) as (_, paths):
        for path in paths:
            page.goto(f"/console/{path}")
            assert_good(page)


def test_axe_finds_nothing_where_nothing_is_and_where_something_is_wrong(
    console: RunningConsole, open_page: OpenPage
) -> None:
    page = open_page(viewport=PHONE)
    page.goto("/console/sign-in")
    assert_good(page)
    for address in ("/console/confirm-address", "/console/portal", "/console/portal#kwp_wrong"):
        page.goto(address)
        assert_good(page)
    page.get_by_role("button", name="Open the console").click()
    page.get_by_role("alert").wait_for()
    assert_good(page)
    be_signed_in(page, console.api.key)
    empty = console.team("Empty")
    of_nothing = [f"teams/{empty.id}/{path}" for path in ("webhooks", "events", "deliveries", "credits")]
    for path in ("nowhere", *of_nothing):
        page.goto(f"/console/{path}")
        assert_good(page)
    with lively_team(console) as (team, _):
        for path, button in mistakes(team):
            page.goto(f"/console/{path}")
            page.get_by_role("button", name=button).click()
            page.locator("[aria-invalid]").first.wait_for()
            assert_good(page)


def test_the_keyboard_skips_the_menu_and_every_focus_is_seen(acme: ConsoleTeam, page: Page) -> None:
    page.goto(f"/console/teams/{acme.id}/webhooks")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.goto(f"/console/teams/{acme.id}/webhooks/new")
    page.keyboard.press("Tab")
    stops = 0
    while page.evaluate("document.activeElement !== document.body"):
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", page.evaluate("document.activeElement.outerHTML")
        page.keyboard.press("Tab")
        stops += 1
    assert stops > 15


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_who_wants_no_motion_gets_none(acme: ConsoleTeam, open_page: OpenPage, motion: Any) -> None:
    page = open_page(reduced_motion=motion)
    be_signed_in(page, acme.key)
    page.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<p class=badge>x</p>')")
    moving = page.evaluate(
        "[...document.querySelectorAll('*')].filter(one => getComputedStyle(one).animationName !== 'none').length"
    )
    assert motion == "no-preference" or moving == 0


@contextmanager
def lively_team(console: RunningConsole) -> Iterator[tuple[ConsoleTeam, list[str]]]:
    """Make a team with something of everything; give it with the paths of all the pages there are about it."""
    team = console.team("Acme", grant=1_000)
    with console.receiver() as good, console.receiver(respond(500, b"<oops>")) as bad:
        webhooks = [
            team.webhook(good.url, secret="generate", signatureScheme="both"),
            team.webhook(bad.url, "Data warehouse"),
        ]
        paused = team.webhook(good.url, "Paused")
        team.api.patch(f"/v1/webhooks/{paused}", paused=True, resumesAt="2h")
        for number in range(4):
            team.submit(number=number)
        wait_for_ends(console, good, bad)
        event = team.submit()
        kinds = [team.deliveries(status=status)[0]["id"] for status in ("succeeded", "failed")]
        job = team.api.post("/v1/bulk-jobs", action="cancel", filter={"webhookId": paused, "until": "1d"})["id"]
        root = f"teams/{team.id}"
        of_webhooks = [f"{root}/webhooks/{each}{page}" for each in webhooks for page in ("", "/edit", "/secret")]
        yield (
            team,
            [
                *(
                    "preferences",
                    "help",
                    "api",
                    "api/webhooks",
                    "api/deliveries",
                    "teams",
                    "system",
                    root,
                    f"{root}/webhooks",
                    f"{root}/webhooks/new",
                    f"{root}/webhooks/new?about=operations",
                    *of_webhooks,
                ),
                *(f"{root}/webhooks/{webhooks[1]}?range={each}" for each in ("7d", "30d")),
                f"{root}/webhooks/{paused}",
                f"{root}/deliveries/{team.deliveries(webhookId=paused)[0]['id']}",
                *(f"{root}/webhooks/{webhooks[0]}/delete", f"{root}/deliveries", f"{root}/credits"),
                *(f"{root}/settings", f"{root}/audit", f"{root}/portal-links"),
                *(f"{root}/bulk-jobs", f"{root}/bulk-jobs/{job}", f"{root}/bulk-jobs/new?ticked=resend"),
                *(f"{root}/bulk-jobs/new?all=resend&status=failed&period=1h", f"{root}/bulk-jobs/new?all=cancel"),
                *(f"{root}/event-types", f"{root}/event-types/{MESSAGE_SENT}"),
                *(f"{root}/deliveries/{each}" for each in kinds),
                *(f"{root}/events", f"{root}/events/{event}", f"{root}/find?q=number", "find?q=evt_000000"),
                f"{root}/events/{event}/erase",
            ],
        )


def mistakes(team: ConsoleTeam) -> list[tuple[str, str]]:
    """Return pages with a form, and the button that sends it with mistakes."""
    root = f"teams/{team.id}"
    return [
        (f"{root}/webhooks/new", "Create Webhook"),
        ("teams", "Create team"),
        (root, "Make an API key"),
        (f"{root}/settings", "Make an API key"),
        (f"{root}/settings", "Add the address"),
    ]


def wait_for_ends(console: RunningConsole, good: Receiver, bad: Receiver) -> None:
    """Wait until four deliveries have succeeded, and four failed with all their attempts."""
    console.received(good, 4)
    console.received(bad, 12)


def assert_good(page: Page) -> None:
    """Expect, however one looks at it, no violation, and that nobody has to scroll sideways."""
    page.evaluate(AXE)
    for look in LOOKS:
        page.set_viewport_size(look.viewport)
        page.emulate_media(color_scheme=look.color_scheme)
        if look.unfolded:
            page.evaluate(UNFOLD)
        assert_good_as_it_looks(page, look)


def assert_good_as_it_looks(page: Page, look: Look) -> None:
    found = page.evaluate("rules => axe.run({ runOnly: rules }).then(result => result.violations)", look.rules)
    told = [f"{page.url} {look}: {each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]]
    assert told == []
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{page.url} is {wide} px too wide"
