"""Signing in with an API key, and out; the session between (OWASP "Session Management")."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from itsdangerous import URLSafeSerializer

from api.app import create_app
from api.console.session.sessions import LIFETIME_S
from daemon.config.settings import Settings
from daemon.domain.clock import HOUR_MS
from daemon.wiring_handles import handles_of
from tests.console.conftest import signed_in
from tests.support.api_client import DATABASE_FILE, RunningApi, running_api
from tests.support.console_client import ConsoleClient
from tests.support.daemon import make_settings, running

FOREIGN_PAGES = (
    *("https://evil.example/", "//evil.example/", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)"),
    *(
        "/console//evil.example",
        "/consol",
        "/v1/webhooks",
        "/console/\r\nSet-Cookie: x=1",
        "/console/\tx",
        "/console/ü",
        "/console/../v1/webhooks",
        "/console/teams/.%2E/../../other",
        "/console/%2e%2e?a",
    ),
    "/console/" + "x" * 2_000,
)


@pytest.fixture
def browser(api: RunningApi) -> ConsoleClient:
    return ConsoleClient(api.operator.app)


async def test_a_teams_key_leads_to_its_webhooks_and_the_operators_to_the_teams(
    api: RunningApi, browser: ConsoleClient
) -> None:
    for key, first in ((api.as_acme.key, f"teams/{api.acme.id}/webhooks"), (api.operator.key, "teams")):
        assert (await browser.sign_in(str(key))).location == "/console/"
        assert (await browser.get("/console/")).location == f"/console/{first}"
        assert (await browser.get(f"/console/{first}")).status == 200


async def test_the_cookie_is_for_the_console_alone_and_out_of_scripts_reach(
    api: RunningApi, browser: ConsoleClient
) -> None:
    [cookie] = (await browser.sign_in(str(api.operator.key))).headers.getlist("Set-Cookie")
    attributes = cookie.split("; ")[1:]
    assert set(attributes) == {"HttpOnly", "SameSite=Lax", "Path=/console/", f"Max-Age={LIFETIME_S}"} | {
        each for each in attributes if each.startswith("Expires=")
    }
    assert str(api.operator.key) not in cookie


async def test_under_https_the_cookie_is_never_sent_in_the_clear(tmp_path: Path) -> None:
    settings: Settings = make_settings(tmp_path, public_url="https://hooks.example.com")
    async with running_api(tmp_path, settings=settings) as api:
        [cookie] = (await ConsoleClient(api.operator.app).sign_in(str(api.operator.key))).headers.getlist("Set-Cookie")
        assert "Secure" in cookie.split("; ")


async def test_a_key_that_is_not_valid_is_refused_beside_the_field_and_never_shown(browser: ConsoleClient) -> None:
    for key in ("", "kwh_wrong", "operator-key", "\x00", "ü" * 100, "x" * 10_000):
        page = await browser.send("POST", "/console/sign-in", {"key": key, "next": "/console/system"})
        assert page.status == 422, key
        assert page.mistake("key") == (
            "This key is not valid: check that you copied it whole, or ask the operator whether it was revoked."
            if key
            else "Enter an API key."
        )
        assert not key.strip() or key not in page.text
        assert 'name="next" value="/console/system"' in page.text, key
        assert "Set-Cookie" not in page.headers, key


async def test_the_page_that_was_wanted_is_where_the_sign_in_leads(api: RunningApi, browser: ConsoleClient) -> None:
    wanted = f"/console/teams/{api.acme.id}/deliveries?status=failed"
    asked = await browser.get(wanted)
    assert asked.location.startswith("/console/sign-in?next=")
    form = await browser.get(asked.location)
    assert f'name="next" value="{wanted}"' in form.text
    key = str(api.as_acme.key)
    assert (await browser.send("POST", "/console/sign-in", {"key": key, "next": wanted})).location == wanted


@pytest.mark.fault(
    "A link leads to the sign-in with another site's address as the page to go on to",
    "The console's own first page follows",
    cases=len(FOREIGN_PAGES),
)
async def test_the_sign_in_leads_to_no_other_site(api: RunningApi, browser: ConsoleClient) -> None:
    for page in FOREIGN_PAGES:
        led = await browser.send("POST", "/console/sign-in", {"key": str(api.as_acme.key), "next": page})
        assert led.location == "/console/", page


@pytest.mark.fault("Another site's page signs somebody in with a key of its own", "403", cases=3)
async def test_only_the_consoles_own_page_signs_in(api: RunningApi, browser: ConsoleClient) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Sec_Fetch_Site": "cross-site"}, {"Origin": "null"}):
        page = await browser.send("POST", "/console/sign-in", {"key": str(api.operator.key)}, **headers)
        assert page.status == 403, headers
        assert "Set-Cookie" not in page.headers, headers


@pytest.mark.fault("A malformed Origin comes with a form", "403, and no line in the log", cases=5)
async def test_an_origin_that_is_no_origin_is_not_ours(api: RunningApi, browser: ConsoleClient) -> None:
    for origin in ("http://[", "http://[::1", "http://a b", "//[v1.x", "\xff"):
        page = await browser.send("POST", "/console/sign-in", {"key": str(api.operator.key)}, Origin=origin)
        assert page.status == 403, origin
        assert not api.daemon.log_lines("api_error"), origin


async def test_a_host_that_a_proxy_rewrote_is_named_with_what_to_set(api: RunningApi, browser: ConsoleClient) -> None:
    page = await browser.send(
        "POST", "/console/sign-in", {"key": "x"}, Origin="https://hooks.example.com", Host="10.0.0.7:8480"
    )
    assert page.status == 403
    assert (
        "from https://hooks.example.com, but the request&#39;s Host is 10.0.0.7:8480 and public_url is "
        "http://127.0.0.1:8480." in page.text
    )


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://hooks.example.com", 422), ("https://hooks.example.com", 303), ("http://127.0.0.1:8480", 303)],
)
async def test_signing_in_over_plain_http_says_why_it_cannot_last(tmp_path: Path, origin: str, status: int) -> None:
    settings = make_settings(tmp_path, public_url="https://hooks.example.com")
    async with running_api(tmp_path, settings=settings) as api:
        headers = {"Origin": origin, "Host": origin.partition("//")[2]}
        browser = ConsoleClient(api.operator.app)
        page = await browser.send("POST", "/console/sign-in", {"key": str(api.operator.key)}, **headers)
        assert page.status == status
        if status == 422:
            assert "public_url is https://hooks.example.com, so the session's cookie is for https only" in page.mistake(
                "key"
            )
            assert "Set-Cookie" not in page.headers


async def test_who_has_signed_in_is_led_on_from_the_sign_in(operator: ConsoleClient) -> None:
    assert (await operator.get("/console/sign-in?next=/console/system")).location == "/console/system"


@pytest.mark.fault("Somebody has kept a copy of a cookie and uses it after its owner has signed out", "The sign-in")
async def test_signing_out_ends_every_copy_of_the_session(api: RunningApi, operator: ConsoleClient) -> None:
    copy = operator.cookie
    page = await operator.post("/console/sign-out")
    operator.keep(page)
    assert (page.location, operator.cookie) == ("/console/sign-in", None)
    assert (await ConsoleClient(api.operator.app, copy).get("/console/teams")).status == 303


@pytest.mark.fault("A key is revoked while somebody is signed in with it", "The session ends at once")
async def test_a_session_ends_with_its_key(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    [key] = (await api.operator.get(f"/v1/teams/{api.acme.id}/keys")).value["items"]
    assert (await acme.get(f"{root}/credits")).status == 200
    await api.operator.delete(f"/v1/keys/{key['id']}")
    assert (await acme.get(f"{root}/credits")).status == 303


@pytest.mark.fault("The session's cookie is forged, altered, cut, or of another daemon", "The sign-in", cases=9)
async def test_a_cookie_that_is_not_ours_is_no_session(api: RunningApi, operator: ConsoleClient) -> None:
    good = str(operator.cookie)
    session = [*URLSafeSerializer("x").loads_unsafe(good)[1]]
    forged = (URLSafeSerializer(secret, salt="console session").dumps(session) for secret in ("", "x", bytes(32)))
    middle = len(good) // 2
    altered = good[:middle] + ("A" if good[middle] != "A" else "B") + good[middle + 1 :]
    for cookie in (*forged, altered, good[:-1], good + "A", "", ".", "x" * 5_000):
        assert (await ConsoleClient(api.operator.app, cookie).get("/console/teams")).status == 303
    assert (await operator.get("/console/teams")).status == 200


async def test_a_session_lasts_twelve_hours_longer_while_it_is_used_and_no_longer(
    api: RunningApi, operator: ConsoleClient
) -> None:
    api.daemon.clock.offset_ms += HOUR_MS // 2
    assert "Set-Cookie" not in (await operator.get("/console/teams")).headers
    api.daemon.clock.offset_ms += HOUR_MS
    page = await operator.get("/console/teams")
    old = operator.cookie
    operator.keep(page)
    assert operator.cookie != old
    api.daemon.clock.offset_ms += 11 * HOUR_MS
    assert (await operator.get("/console/teams")).status == 200
    assert (await ConsoleClient(api.operator.app, old).get("/console/teams")).status == 303
    api.daemon.clock.offset_ms += HOUR_MS
    assert (await operator.get("/console/teams")).status == 303


@pytest.mark.fault("A copy of a cookie is used after a sign-out and a restart of the daemon", "The sign-in")
async def test_signing_out_outlives_the_daemon(tmp_path: Path) -> None:
    async with running_api(tmp_path) as api:
        browser = await signed_in(api, str(api.operator.key))
        copy, other = browser.cookie, (await signed_in(api, str(api.operator.key))).cookie
        await browser.post("/console/sign-out")
    async with running(tmp_path) as daemon:
        app = create_app(handles_of(daemon.parts, lambda: None))
        assert (await ConsoleClient(app, copy).get("/console/teams")).status == 303
        assert (await ConsoleClient(app, other).get("/console/teams")).status == 200


async def test_who_has_signed_out_is_remembered_as_long_as_their_cookies_could_last_and_no_longer(
    tmp_path: Path,
) -> None:
    async with running_api(tmp_path) as api:
        for _ in range(2):
            browser = await signed_in(api, str(api.operator.key))
            await browser.post("/console/sign-out")
        assert ended_sessions_in(tmp_path) == 2
        api.daemon.clock.offset_ms += 12 * HOUR_MS
        await (await signed_in(api, str(api.operator.key))).post("/console/sign-out")
        assert ended_sessions_in(tmp_path) == 1


@pytest.mark.fault(
    "A key signs in and out a thousand times, so that other sign-outs are forgotten", "Only its own oldest are"
)
async def test_the_sign_outs_of_one_key_displace_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.management.sign_outs.MOST_OF_ONE_KEY", 3)
    async with running_api(tmp_path) as api:
        operator = await signed_in(api, str(api.operator.key))
        copy = operator.cookie
        await operator.post("/console/sign-out")
        for _ in range(5):
            await (await signed_in(api, str(api.as_acme.key))).post("/console/sign-out")
        assert ended_sessions_in(tmp_path) == 4
        assert (await ConsoleClient(api.operator.app, copy).get("/console/teams")).status == 303


async def test_the_sign_out_of_a_key_that_expires_first_is_displaced_after_a_restart_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.management.sign_outs.MOST_OF_ONE_KEY", 2)
    async with running(tmp_path) as daemon:
        await daemon.parts.sign_outs.add("key_1", "a_last", 300, now=0)
        await daemon.parts.sign_outs.add("key_1", "b_first", 100, now=0)
    async with running(tmp_path) as daemon:
        await daemon.parts.sign_outs.add("key_1", "c", 200, now=0)
        assert [name for name in ("a_last", "b_first", "c") if daemon.parts.sign_outs.has("key_1", name)] == [
            "a_last",
            "c",
        ]


async def test_a_session_ends_after_seven_days_however_much_it_is_used(
    api: RunningApi, operator: ConsoleClient
) -> None:
    for _ in range(7 * 24 // 8):
        page = await operator.get("/console/teams")
        assert page.status == 200
        operator.keep(page)
        api.daemon.clock.offset_ms += 8 * HOUR_MS
    assert (await operator.get("/console/teams")).status == 303


def ended_sessions_in(state_dir: Path) -> int:
    with closing(sqlite3.connect(state_dir / DATABASE_FILE)) as connection:
        [count] = connection.execute("SELECT count(*) FROM ended_sessions").fetchone()
    return int(count)


async def test_a_session_outlives_the_daemon(api: RunningApi, operator: ConsoleClient) -> None:
    restarted = ConsoleClient(create_app(api.handles), operator.cookie)
    assert (await restarted.get("/console/teams")).status == 200
    another = create_app(replace(api.handles, console=replace(api.handles.console, session_key=bytes(32))))
    assert (await ConsoleClient(another, operator.cookie).get("/console/teams")).status == 303


async def test_a_session_is_no_key_of_the_api(operator: ConsoleClient) -> None:
    assert (await operator.get("/v1/teams")).status == 401


async def test_signing_in_and_out_is_logged_without_the_key(api: RunningApi) -> None:
    client = await signed_in(api, str(api.as_acme.key))
    await client.post("/console/sign-out")
    await ConsoleClient(api.operator.app).sign_in("kwh_wrong")
    [into] = api.daemon.log_lines("console_signed_in")
    assert into["teamId"] == api.acme.id
    assert len(api.daemon.log_lines("console_signed_out", "console_sign_in_refused")) == 2
    assert str(api.as_acme.key).encode() not in api.daemon.log.getvalue()
    assert b"kwh_wrong" not in api.daemon.log.getvalue()
