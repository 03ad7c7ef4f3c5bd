"""Attacks that need a browser: scripts in what others write, and pages of other sites."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.console import ConsoleTeam, RunningConsole
from tests.support.receivers import respond

SCRIPT = "<script>window.hacked=1;alert(1)</script>"
HOSTILE = f"""{SCRIPT}"><img src=x onerror="window.hacked=1"><svg onload=alert(1)>'</pre></textarea>{{{{7*7}}}}"""


@pytest.mark.fault(
    "Names, URLs, payloads, answers and notes are full of markup and scripts, and somebody looks at every page of them",
    "They are text, in the page and in what arrives live: no script runs, no element appears, no address is asked",
)
def test_markup_from_others_is_text_on_every_page_and_in_what_arrives_live(
    console: RunningConsole, operators: Page
) -> None:
    team = console.team(HOSTILE, grant=10)
    console.api.post("/v1/credits/grants", teamId=team.id, amount=1, note=HOSTILE)
    console.api.post(f"/v1/teams/{team.id}/keys", name=HOSTILE)
    answer = respond(500, HOSTILE.encode(), [("X-Hostile", HOSTILE), ("Content-Type", "text/html")])
    with console.receiver(answer) as receiver:
        webhook = team.webhook(f"{receiver.url}?q=%3Cscript%3Ealert(1)%3C/script%3E&x='\"", HOSTILE)
        operators.goto(f"/console/teams/{team.id}/deliveries")
        team.submit(text=HOSTILE, **{HOSTILE: SCRIPT})
        name = operators.locator("#delivery-rows a.name")
        expect(name).to_have_count(1)  # it came live
        expect(operators.locator("#delivery-rows")).to_contain_text("failed")
        assert_harmless(operators)
        delivery = str(name.get_attribute("href"))
    root = f"/console/teams/{team.id}"
    of_webhook = (f"{root}/webhooks/{webhook}{page}" for page in ("", "/edit", "/secret", "/delete"))
    pages = (root, f"{root}/webhooks", *of_webhook, delivery, f"{root}/credits", "/console/teams", "/console/system")
    for page in pages:
        operators.goto(page)
        assert_harmless(operators)
    operators.goto(f"{root}/webhooks?search={SCRIPT}&state={SCRIPT}&cursor=")
    assert_harmless(operators)
    operators.goto(delivery)
    expect(operators.get_by_label("Response of attempt 3", exact=True)).to_contain_text(SCRIPT)


@pytest.mark.fault(
    "Another site's page sends our forms with the browser of somebody who has signed in",
    "Nothing happens: the cookie does not come along, and what another port of this host sends is refused",
    cases=2,
)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_another_sites_page_changes_nothing(console: RunningConsole, acme: ConsoleTeam, page: Page, host: str) -> None:
    webhook = acme.webhook("http://127.0.0.1:9/hook")
    target = f"{console.url}/console/teams/{acme.id}/webhooks/{webhook}/disable"
    form = f"<form method=post action='{target}'></form><script>document.forms[0].submit()</script>"
    with console.receiver(respond(200, form.encode(), [("Content-Type", "text/html")])) as attacker:
        theirs = page.context.new_page()
        with theirs.expect_response(target) as answer:
            theirs.goto(attacker.url.replace("127.0.0.1", host))
        assert answer.value.status == (403 if host == "127.0.0.1" else 303)
        theirs.wait_for_load_state()
        if host == "localhost":
            expect(theirs.get_by_role("heading", name="Sign in")).to_be_visible()
    assert acme.api.get(f"/v1/webhooks/{webhook}")["active"] is True


@pytest.mark.fault(
    "Another site shows the console in a frame, to have somebody click in it", "The browser refuses to show it"
)
def test_no_other_page_can_frame_the_console(console: RunningConsole, acme: ConsoleTeam, page: Page) -> None:
    frame = f"<iframe src='{console.url}/console/teams/{acme.id}/webhooks'></iframe>"
    with console.receiver(respond(200, frame.encode(), [("Content-Type", "text/html")])) as attacker:
        theirs = page.context.new_page()
        theirs.goto(attacker.url)
        shown = theirs.frames[1]
        shown.wait_for_load_state()
        assert shown.locator("text=Webhooks").count() == 0


@pytest.mark.fault(
    "A script gets into a page all the same",
    "The policy of the page runs none that stands in it, and lets nothing be sent elsewhere",
)
def test_a_script_that_gets_into_a_page_does_not_run(console: RunningConsole, acme: ConsoleTeam, page: Page) -> None:
    theirs = page.context.new_page()  # not watched: here the browser is to complain
    complaints: list[Any] = []
    theirs.on("console", lambda message: complaints.append(message.text))
    theirs.goto(f"{console.url}/console/teams/{acme.id}/webhooks")
    theirs.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.hacked = 1";
            document.body.append(script);
            const image = document.createElement("div");
            image.innerHTML = "<img src='x' onerror='window.hacked = 1'>";
            document.body.append(image);
        }"""
    )
    sent = theirs.evaluate("fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'refused')")
    assert sent == "refused"
    assert not theirs.evaluate("'hacked' in window")
    assert len([text for text in complaints if "Content Security Policy" in text]) >= 3


def assert_harmless(page: Page) -> None:
    """Expect that no script of others ran, and that none of their elements is in the page."""
    assert not page.evaluate("'hacked' in window")
    strange = "img:not([src^='/console/assets/']), svg[onload], script:not([src^='/console/assets/']), [onerror]"
    assert page.locator(strange).count() == 0
    assert "49" not in page.title()
