"""Signing in with a portal link, and what is attacked about it (contract "Portal links")."""

from pathlib import Path

import pytest
import trio.testing
from itsdangerous import URLSafeSerializer

from daemon.domain.clock import DAY_MS, HOUR_MS
from daemon.store.commands import RevokePortalLink
from tests.console.conftest import enter, make, signed_in
from tests.support.api_client import RunningApi, running_api
from tests.support.console_client import ConsoleClient
from tests.support.daemon import make_settings

OVER = "This link is not valid: it was used, was revoked or has expired. Ask whoever gave it to you for a new one."
EVENT = {"event": "linkedin.message.sent"}


@pytest.fixture
def customer(api: RunningApi) -> ConsoleClient:
    return ConsoleClient(api.operator.app)


@pytest.mark.usefixtures("each_engine")
async def test_a_link_leads_to_its_teams_webhooks_and_what_is_changed_is_told_by_its_name(
    api: RunningApi, customer: ConsoleClient, root: str
) -> None:
    link = await make(api)
    assert (await enter(customer, link)).location == "/console/"
    assert (await customer.get("/console/")).location == f"{root}/webhooks"
    webhook = {"name": "n", "url": "https://example.com/in", "events": ["*"]}
    assert (await customer.post(f"{root}/webhooks/new", **webhook)).status == 303
    trail = (await api.operator.get(f"/v1/teams/{api.acme.id}/audit", limit=2)).value["items"]
    assert [entry["action"] for entry in trail] == ["webhook.created", "portal_link.used"]
    assert {(entry["keyId"], entry["keyName"]) for entry in trail} == {(link["id"], f"portal link {link['id']}")}


@pytest.mark.usefixtures("each_engine")
async def test_a_session_of_a_link_sends_a_test_that_names_the_link(
    api: RunningApi, customer: ConsoleClient, root: str
) -> None:
    link, webhook = await make(api), await api.webhook()
    await enter(customer, link)
    assert (await customer.post(f"{root}/webhooks/{webhook['id']}/test", **EVENT)).status == 303
    [event] = (await api.as_acme.get("/v1/events")).value["items"]
    assert event["key"]["id"] == link["id"]


async def test_the_whole_link_may_be_pasted(api: RunningApi, customer: ConsoleClient) -> None:
    page = await customer.send("POST", "/console/portal", {"link": f" {(await make(api))['url']} "})
    assert page.status == 303


@pytest.mark.fault(
    "A mail client, a scanner or a preview opens a link for once before the customer does",
    "The link is not used up: only the page's button signs in",
    cases=20,
)
async def test_only_the_button_uses_a_link(api: RunningApi, customer: ConsoleClient) -> None:
    link = await make(api, once=True)
    for _ in range(10):
        for path in ("/console/portal", f"/console/portal?{link['url'].partition('#')[2]}"):
            page = await customer.get(path)
            assert page.status == 200
            assert "Set-Cookie" not in page.headers
    assert (await enter(customer, link)).status == 303


@pytest.mark.usefixtures("each_engine")
@pytest.mark.fault(
    "A link for once is used again; one that was revoked, has expired, is forged, altered or of nobody is tried",
    "422, the same sentence for all; nobody is signed in, and nothing is in the audit trail",
    cases=9,
)
async def test_a_link_that_is_over_signs_nobody_in(api: RunningApi, customer: ConsoleClient) -> None:
    used, revoked, expired = await make(api, once=True), await make(api), await make(api, expiresInMinutes=1)
    assert (await enter(ConsoleClient(api.operator.app), used)).status == 303
    await api.operator.delete(f"/v1/portal-links/{revoked['id']}")
    api.daemon.clock.offset_ms += 60_000
    good = (await make(api))["url"]
    altered = good[:-2] + ("A" if good[-2] != "A" else "B") + good[-1]
    keys = str(api.as_acme.key), str(api.operator.key), used["id"]
    for url in (used["url"], revoked["url"], expired["url"], altered, good[:-1], good + "A", *keys):
        page = await enter(customer, {"url": f"#{url.rpartition('#')[2]}"})
        assert (page.status, page.mistake("link")) == (422, OVER), url
        assert "Set-Cookie" not in page.headers
        assert url.rpartition("#")[2] not in page.text
    [newest] = (await api.operator.get(f"/v1/teams/{api.acme.id}/audit", limit=1)).value["items"]
    assert newest["action"] == "portal_link.created"


@pytest.mark.usefixtures("each_engine")
@pytest.mark.fault(
    "A link is revoked, also at another node, while somebody is signed in with it", "The session ends at once", cases=2
)
async def test_a_session_ends_with_its_link_whichever_node_revoked_it(
    api: RunningApi, customer: ConsoleClient, root: str
) -> None:
    for at_another_node in (False, True):
        link = await make(api)
        await enter(customer, link)
        assert (await customer.get(f"{root}/credits")).status == 200
        if at_another_node:  # this one is told nothing
            now = api.handles.now_ms()
            await api.daemon.parts.store.writer.execute(RevokePortalLink(link["id"], now))
        else:
            await api.operator.delete(f"/v1/portal-links/{link['id']}")
        assert (await customer.get(f"{root}/credits")).location.startswith("/console/sign-in"), at_another_node


async def test_a_live_page_ends_with_its_link(
    api: RunningApi, customer: ConsoleClient, root: str, autojump_clock: trio.testing.MockClock
) -> None:
    link = await make(api)
    await enter(customer, link)
    await api.webhook()
    async with customer.stream(f"{root}/deliveries/live") as page:
        await page.event()
        await api.operator.delete(f"/v1/portal-links/{link['id']}")
        await api.submit()
        with pytest.raises(trio.EndOfChannel):
            await page.event()


async def test_a_session_ends_when_its_link_expires_however_much_it_is_used(
    api: RunningApi, customer: ConsoleClient, root: str
) -> None:
    await enter(customer, await make(api, expiresInMinutes=24 * 60))
    for _ in range(3):
        api.daemon.clock.offset_ms += 7 * HOUR_MS
        page = await customer.get(f"{root}/credits")
        assert page.status == 200
        customer.keep(page)
    api.daemon.clock.offset_ms += 3 * HOUR_MS
    assert (await customer.get(f"{root}/credits")).status == 303


@pytest.mark.fault("Somebody keeps a copy of a portal session's cookie and uses it after the sign-out", "The sign-in")
async def test_signing_out_ends_this_session_and_no_other_of_the_link(
    api: RunningApi, customer: ConsoleClient, root: str
) -> None:
    link, other = await make(api), ConsoleClient(api.operator.app)
    for browser in (customer, other):
        await enter(browser, link)
    copy = customer.cookie
    await customer.post("/console/sign-out")
    assert (await ConsoleClient(api.operator.app, copy).get(f"{root}/credits")).status == 303
    assert (await other.get(f"{root}/credits")).status == 200


@pytest.mark.fault(
    "A browser has a cookie that somebody else chose, or is signed in as another, when it follows a link",
    "The session is a new one with an id of its own",
    cases=2,
)
async def test_a_link_begins_a_session_of_its_own(api: RunningApi, customer: ConsoleClient) -> None:
    link = await make(api)
    chosen = await signed_in(api, str(api.as_acme.key))
    for cookie in ("chosen", chosen.cookie):
        browser = ConsoleClient(api.operator.app, cookie)
        page = await enter(browser, link)
        assert page.status == 303
        assert browser.cookie not in (cookie, customer.cookie)
    first, second = [URLSafeSerializer("x").loads_unsafe(str(one))[1] for one in (browser.cookie, chosen.cookie)]
    assert first[0] != second[0]


@pytest.mark.fault(
    "The cookie of a portal session is made to name another link, another team or a key",
    "The sign-in: it is signed",
    cases=3,
)
async def test_a_cookie_of_a_link_that_is_not_ours_is_no_session(
    api: RunningApi, customer: ConsoleClient, root: str
) -> None:
    link, other = await make(api), await make(api, readOnly=True)
    await enter(customer, other)
    values = URLSafeSerializer("x").loads_unsafe(str(customer.cookie))[1]
    for place, value in ((5, link["id"]), (4, "team_other"), (1, "00" * 32)):
        forged = [*values[:place], value, *values[place + 1 :]]
        cookie = URLSafeSerializer("x", salt="console session").dumps(forged)
        assert (await ConsoleClient(api.operator.app, str(cookie)).get(f"{root}/credits")).status == 303


@pytest.mark.fault("Another site's page signs somebody in with a link of its own", "403", cases=3)
async def test_only_the_consoles_own_page_follows_a_link(api: RunningApi, customer: ConsoleClient) -> None:
    link = await make(api)
    for headers in ({"Origin": "https://evil.example"}, {"Sec_Fetch_Site": "cross-site"}, {"Origin": "null"}):
        page = await enter(customer, link, **headers)
        assert page.status == 403, headers
        assert "Set-Cookie" not in page.headers


@pytest.mark.fault(
    "A link's address names another site's page to go on to", "The console's own first page follows", cases=4
)
async def test_a_link_leads_on_to_no_other_site(api: RunningApi, customer: ConsoleClient) -> None:
    token = (await make(api))["url"].partition("#")[2]
    for wanted in ("https://evil.example/", "//evil.example", "/console//evil.example", "/v1/webhooks"):
        page = await customer.send("POST", "/console/portal", {"link": token, "next": wanted})
        assert page.location == "/console/", wanted
    page = await customer.send("POST", "/console/portal", {"link": token, "next": "/console/webhooks/wh_1"})
    assert page.location == "/console/webhooks/wh_1"


@pytest.mark.fault("Another site shows the console in a frame", "No browser does: `frame-ancestors 'none'`", cases=2)
async def test_no_page_is_shown_in_a_frame_of_another_site(api: RunningApi, customer: ConsoleClient, root: str) -> None:
    await enter(customer, await make(api))
    for path in ("/console/portal", f"{root}/webhooks"):
        assert "frame-ancestors 'none'" in (await customer.get(path)).headers["Content-Security-Policy"]


async def test_the_way_back_is_a_link_that_says_where_it_leads_and_nothing_goes_there_by_itself(
    api: RunningApi, customer: ConsoleClient, root: str
) -> None:
    page = await enter(customer, await make(api, returnUrl="https://app.example.com/settings?a=1&b=2"))
    assert page.location == "/console/"
    shown = (await customer.get(f"{root}/webhooks")).text
    link = '<a href="https://app.example.com/settings?a=1&amp;b=2" rel="noreferrer">Back to app.example.com</a>'
    assert link in shown
    assert "Back to" not in (await (await signed_in(api, str(api.as_acme.key))).get(f"{root}/webhooks")).text


async def test_a_team_is_not_told_of_the_operators_files(customer: ConsoleClient) -> None:
    assert "operator" not in (await customer.get("/console/sign-in")).text


async def test_many_sign_ins_leave_one_entry(api: RunningApi) -> None:
    link = await make(api, readOnly=True)
    for _ in range(3):
        assert (await enter(ConsoleClient(api.operator.app), link)).status == 303
    trail = (await api.operator.get(f"/v1/teams/{api.acme.id}/audit", subjectId=link["id"])).value["items"]
    assert [entry["action"] for entry in trail] == ["portal_link.used", "portal_link.created"]


@pytest.mark.fault(
    "Whoever has a portal link, or a key, signs in again and again, which is a write each time",
    "429 `rate_limited` beyond the limit of a key, before anything is written",
    cases=2,
)
async def test_signing_in_has_the_rate_limit_of_the_link_or_key(tmp_path: Path) -> None:
    slow = make_settings(tmp_path, api={"rate_limit_per_s": 1e-6, "rate_limit_burst": 3})
    async with running_api(tmp_path, settings=slow) as api:
        link, other = await make(api), await make(api)
        customer = ConsoleClient(api.operator.app)
        assert [(await enter(customer, link)).status for _ in range(4)] == [303, 303, 303, 429]
        assert (await enter(customer, other)).status == 303
        stranger = {"link": f"kwp_{'x' * 43}"}
        assert {(await customer.send("POST", "/console/portal", stranger)).status for _ in range(5)} == {422}
        key = {"key": str(api.as_acme.key)}
        pages = [await customer.send("POST", "/console/sign-in", key) for _ in range(4)]
        assert [page.status for page in pages] == [303, 303, 303, 429]
        assert int(pages[-1].headers["Retry-After"]) > 0


async def test_a_link_is_listed_until_30_days_after_its_end(api: RunningApi) -> None:
    link, path = await make(api, expiresInMinutes=60), f"/v1/teams/{api.acme.id}/portal-links"
    for days, is_listed in ((30, True), (30 + 1 / 12, False)):
        api.daemon.clock.offset_ms = round(days * DAY_MS)
        await make(api)
        items = (await api.operator.get(path)).value["items"]
        assert (link["id"] in [one["id"] for one in items]) is is_listed, days
