"""What a form did is said once, on the page that it redirects to, and the bare address leads browsers here."""

import pytest
from quart import Response

from api.console.session.cookies import Cookies
from api.console.session.messages import COOKIE, KEPT_S, Messages
from tests.support.api_client import RunningApi
from tests.support.console_client import ConsoleClient

SAVED = "The changes are saved."
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


class Clock:
    now_ms = 1_000_000


def carried(value: str) -> Cookies:
    return Cookies({COOKIE: value}, is_secure=False)


def kept(clock: Clock, word: str = "team-saved", count: int = 0) -> tuple[Messages, str]:
    messages, response = Messages(bytes(32), lambda: clock.now_ms), Response("")
    messages.keep(carried(""), response, word=word, count=count, session_id="mine", page="/console/teams")
    value = response.headers["Set-Cookie"].partition(";")[0].partition("=")[2]
    return messages, value


def test_a_message_is_for_its_session_and_page_for_a_minute() -> None:
    clock = Clock()
    messages, value = kept(clock)
    cookies = carried(value)
    assert messages.find(cookies, session_id="mine", page="/console/teams") == SAVED
    assert messages.find(cookies, session_id="other", page="/console/teams") == ""
    assert messages.find(cookies, session_id="mine", page="/console/system") == ""
    clock.now_ms += KEPT_S * 1000
    assert messages.find(cookies, session_id="mine", page="/console/teams") == ""


def test_a_forged_message_is_none() -> None:
    messages, good = kept(Clock())
    for value in ("", "x", "ü", good[:-2], f".{good}"):
        assert messages.find(carried(value), session_id="mine", page="/console/teams") == ""


def test_a_message_counts() -> None:
    messages, value = kept(Clock(), "recovered", 12_345)
    assert messages.find(carried(value), session_id="mine", page="/console/teams").endswith("in order: 12,345.")


async def test_a_reload_and_a_copied_address_say_nothing(acme: ConsoleClient, root: str) -> None:
    led = await acme.post(f"{root}/settings", name="Acme")
    assert led.location == f"{root}/settings"
    assert SAVED in (await acme.get(led.location)).text
    assert SAVED not in (await acme.get(led.location)).text


async def test_the_bare_address_leads_browsers_to_the_console(acme: ConsoleClient) -> None:
    answer = await acme.get("/", Accept=BROWSER)
    assert (answer.status, answer.location, answer.headers["Vary"]) == (303, "/console/", "Accept")


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html;q=0, */*"])
async def test_the_bare_address_is_nothing_for_other_clients(api: RunningApi, accept: str) -> None:
    page = await ConsoleClient(api.operator.app).get("/", Accept=accept)
    assert (page.status, page.headers["Content-Type"]) == (404, "application/problem+json")
