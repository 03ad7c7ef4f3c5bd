"""A secret is shown once, to whom it is for, and soon, whichever node answers."""

from dataclasses import replace

import pytest
from quart import Response

from api.app import create_app
from api.console.session.cookies import Cookies
from api.console.session.shown_once import KEPT_S, PREFIX, ShownOnce
from tests.support.api_client import RunningApi
from tests.support.console_client import ConsoleClient

SECRET = "s3cret-s3cret-s3cret"
NEW = {"name": "CRM Sync", "url": "https://203.0.113.7/hook", "events": ["*"], "secret": SECRET}
LONGEST = "\U0001f511" * 256


class Jar:
    """The cookies of a browser and a clock, for what the module does alone."""

    def __init__(self) -> None:
        self.now_ms = 1_000_000
        self.cookies: dict[str, str] = {}
        self.shown = ShownOnce(bytes(32), lambda: self.now_ms)

    def keep(self, about: str, secret: str = SECRET, session_id: str = "mine") -> None:
        response = Response("")
        self.shown.keep(Cookies(self.cookies, is_secure=False), response, secret, session_id=session_id, about=about)
        for given in response.headers.getlist("Set-Cookie"):
            name, _, value = given.partition(";")[0].partition("=")
            self.cookies.pop(name, None)
            if value:
                self.cookies[name] = value

    def find(self, about: str, session_id: str = "mine") -> str | None:
        return self.shown.find(Cookies(self.cookies, is_secure=False), session_id=session_id, about=about)


@pytest.fixture
def jar() -> Jar:
    return Jar()


@pytest.fixture
async def made(acme: ConsoleClient, root: str) -> str:
    """Where the page of a webhook is whose secret waits in Acme's browser."""
    return (await acme.post(f"{root}/webhooks/new", **NEW)).location


def test_it_is_for_its_session_and_page_only(jar: Jar) -> None:
    jar.keep("wh_1")
    assert jar.find("wh_1", session_id="others") is None
    assert jar.find("wh_2") is None
    assert jar.find("wh_1") == SECRET
    [of_the_first] = jar.cookies.values()
    jar.keep("wh_2")
    jar.cookies = dict.fromkeys(jar.cookies, of_the_first)
    assert (jar.find("wh_1"), jar.find("wh_2")) == (SECRET, None)
    assert SECRET not in repr(jar.shown)


def test_after_five_minutes_it_is_gone_whatever_the_browser_keeps(jar: Jar) -> None:
    jar.keep("wh_1")
    jar.now_ms += KEPT_S * 1000 - 1
    assert jar.find("wh_1") == SECRET
    jar.now_ms += 1
    assert jar.find("wh_1") is None


def test_of_very_many_the_oldest_give_way(jar: Jar) -> None:
    for number in range(9):
        jar.keep(f"wh_{number}", LONGEST)
    assert [number for number in range(9) if jar.find(f"wh_{number}") == LONGEST] == [5, 6, 7, 8]
    assert sum(len(name) + len(value) for name, value in jar.cookies.items()) < 6_000


def test_a_newer_secret_for_the_same_page_takes_the_place_of_the_older(jar: Jar) -> None:
    jar.keep("wh_1")
    jar.keep("wh_1", "next")
    assert jar.find("wh_1") == "next"
    assert len(jar.cookies) == 1


@pytest.mark.fault(
    "The cookie that carries a new secret is forged, altered, cut, or of another daemon",
    "The page shows no secret",
    cases=10,
)
async def test_a_cookie_that_is_not_ours_shows_nothing(api: RunningApi, acme: ConsoleClient, made: str) -> None:
    [(name, good)] = [cookie for cookie in acme.secrets.items() if cookie[0].startswith(PREFIX)]
    altered = [good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1 :] for at in (0, 30, len(good) - 2)]
    for value in (*altered, good[:-4], good + "AAAA", "", "A", "ü", "x" * 5_000):
        acme.secrets = {name: value}
        page = await acme.get(made)
        assert (page.status, "copy it now" in page.text) == (200, False), value
    console = replace(api.handles.console, shown_once_key=bytes(32))
    other = ConsoleClient(create_app(replace(api.handles, console=console)), acme.cookie, {name: good})
    assert "copy it now" not in (await other.get(made)).text
    acme.secrets = {name: good}
    assert SECRET in (await acme.get(made)).text


async def test_the_cookie_is_sealed_for_the_console_alone_and_out_of_scripts_reach(
    acme: ConsoleClient, root: str
) -> None:
    cookies = (await acme.post(f"{root}/webhooks/new", **NEW)).headers.getlist("Set-Cookie")
    [cookie] = [each for each in cookies if each.startswith(PREFIX)]
    _, *attributes = cookie.split("; ")
    assert SECRET not in cookie
    assert {each for each in attributes if not each.startswith("Expires=")} == {
        "HttpOnly",
        "SameSite=Strict",
        "Path=/console/",
        "Max-Age=300",
    }


async def test_under_https_it_is_never_sent_in_the_clear(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    settings = api.handles.settings.model_copy(update={"public_url": "https://hooks.example.com"})
    secure = ConsoleClient(create_app(replace(api.handles, settings=settings)), acme.cookie)
    made = await secure.post(f"{root}/webhooks/new", **NEW)
    shown = await secure.get(made.location)
    assert SECRET in shown.text
    for page in (made, shown):
        assert all("Secure" in cookie.split("; ") for cookie in page.headers.getlist("Set-Cookie"))


async def test_another_node_shows_the_secret_once(api: RunningApi, acme: ConsoleClient, made: str) -> None:
    other = ConsoleClient(create_app(api.handles), acme.cookie, acme.secrets)
    assert SECRET in (await other.get(made)).text
    assert other.secrets == {}
    assert SECRET not in (await other.get(made)).text


async def test_a_rotated_secret_and_a_new_key_are_shown_once_by_another_node(
    api: RunningApi, acme: ConsoleClient, operator: ConsoleClient, root: str
) -> None:
    webhook = await api.webhook(secret="s" * 20)
    rotated = await acme.post(f"{root}/webhooks/{webhook['id']}/secret", secret=SECRET, hours="1")
    key = await operator.post(f"/console/teams/{api.acme.id}/keys", key_name="CI")
    for browser, led, shown in ((acme, rotated, SECRET), (operator, key, "kwh_")):
        other = ConsoleClient(create_app(api.handles), browser.cookie, browser.secrets)
        assert shown in (await other.get(led.location)).text
        assert shown not in (await other.get(led.location)).text


async def test_a_copy_of_the_cookie_is_of_no_use_to_another_session(
    acme: ConsoleClient, operator: ConsoleClient, made: str
) -> None:
    operator.secrets = dict(acme.secrets)
    assert SECRET not in (await operator.get(made)).text
    assert operator.secrets == acme.secrets, "what was not shown is not deleted"
    assert SECRET in (await acme.get(made)).text
