"""The console in a frame of the operator's product, and what is attacked about it (contract "Portal links")."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.console.conftest import enter, make, signed_in
from tests.support.api_client import RunningApi, running_api
from tests.support.console_client import ConsoleClient, Page
from tests.support.daemon import make_settings

PRODUCT = "https://app.example.com"
ALLOWED = f"frame-ancestors {PRODUCT} http://localhost:3000"
NONE = "frame-ancestors 'none'"
SETTINGS = {
    "public_url": "https://hooks.example.com",
    "console": {"embed_origins": [PRODUCT, "http://localhost:3000"]},
}
EVENT = {"event": "linkedin.message.sent"}
NEW = {"name": "n", "url": "https://203.0.113.7/in", "events": ["*"], "secret": "s3cret-s3cret-s3cret"}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[RunningApi]:
    async with running_api(tmp_path, settings=make_settings(tmp_path, **SETTINGS)) as api:
        yield api


@pytest.fixture
def frame(api: RunningApi) -> ConsoleClient:
    """A frame in a page of the product."""
    return ConsoleClient(api.operator.app, in_frame=True)


def policy(page: Page) -> str:
    return page.headers["Content-Security-Policy"].rpartition("; ")[2]


def cookies(page: Page) -> dict[str, set[str]]:
    """Return the attributes of each cookie that an answer sets."""
    given = [each.split("; ") for each in page.headers.getlist("Set-Cookie")]
    return {parts[0].partition("=")[0]: set(parts[1:]) for parts in given}


async def test_a_customer_signs_in_and_changes_something_within_a_frame(
    api: RunningApi, frame: ConsoleClient, root: str
) -> None:
    link = await make(api)
    shown = await frame.get("/console/portal")
    assert (shown.status, policy(shown)) == (200, ALLOWED)
    entered = await enter(frame, link)
    assert entered.status == 303
    webhooks = await frame.get(f"{root}/webhooks")
    assert (webhooks.status, policy(webhooks)) == (200, ALLOWED)
    made = await frame.post(f"{root}/webhooks/new", **NEW)
    shown = await frame.get(made.location)
    assert "The webhook is created." in shown.text
    assert "s3cret-s3cret-s3cret" in shown.text
    assert "s3cret-s3cret-s3cret" not in (await frame.get(made.location)).text


async def test_a_frames_cookies_are_kept_for_the_site_around_it_and_all_others_as_ever(
    api: RunningApi, frame: ConsoleClient, root: str
) -> None:
    outside = ConsoleClient(api.operator.app)
    for browser, words, prefix in (
        (frame, {"SameSite=None", "Partitioned"}, "framed_"),
        (outside, {"SameSite=Lax"}, ""),
    ):
        found = cookies(await enter(browser, await make(api)))
        assert found.keys() == {f"{prefix}console_session"}
        [attributes] = found.values()
        assert {"Secure", "HttpOnly", "Path=/console/"} | words <= attributes
        assert ("Partitioned" in attributes) is (browser is frame)
        made = cookies(await browser.post(f"{root}/webhooks/new", **NEW))
        assert {"Secure", "HttpOnly"} | words - {"SameSite=Lax"} <= made[f"{prefix}console_message"]
        look = cookies(await browser.post("/console/preferences", theme="dark", zone="UTC"))
        assert words <= look[f"{prefix}console_look"]


@pytest.mark.fault(
    "A page of an allowed origin shows the console in a frame in whose browser somebody is signed in with a key",
    "The frame has no session of a key, not even if its cookie is put there; no page of a key may be framed",
    cases=8,
)
async def test_a_session_of_a_key_is_used_in_no_frame(api: RunningApi, root: str) -> None:
    for key in (str(api.as_acme.key), str(api.operator.key)):
        outside = await signed_in(api, key)
        page = await outside.get(f"{root}/webhooks")
        assert (page.status, policy(page)) == (200, NONE)
        as_it_is = await outside.get(f"{root}/webhooks", Sec_Fetch_Dest="iframe")
        moved = await ConsoleClient(api.operator.app, outside.cookie, in_frame=True).get(f"{root}/webhooks")
        for page in (as_it_is, moved):
            assert (page.status, "Webhooks</h1>" in page.text) == (401, False)
        refused = await ConsoleClient(api.operator.app, in_frame=True).sign_in(key)
        assert (refused.status, refused.headers.getlist("Set-Cookie")) == (403, [])
    sign_in = await ConsoleClient(api.operator.app, in_frame=True).get("/console/sign-in")
    assert policy(sign_in) == NONE


@pytest.mark.fault(
    "A page asks for the pages of a portal session in another way than a frame of its product does",
    "No origin may frame what it gets; a session of a frame is none outside",
    cases=5,
)
async def test_a_session_of_a_frame_is_none_outside(api: RunningApi, frame: ConsoleClient, root: str) -> None:
    await enter(frame, await make(api))
    for destination in ("document", "object", "embed", "empty", "image"):
        page = await frame.get(f"{root}/webhooks", Sec_Fetch_Dest=destination)
        assert page.location.startswith("/console/sign-in"), destination
    outside = ConsoleClient(api.operator.app)
    await enter(outside, await make(api))
    assert policy(await outside.get(f"{root}/webhooks")) == NONE


async def test_a_live_page_follows_in_a_frame(api: RunningApi, frame: ConsoleClient, root: str) -> None:
    await enter(frame, await make(api))
    await api.webhook()
    async with frame.stream(f"{root}/deliveries/live?framed=") as page:
        assert page.status == 200
    async with frame.stream(f"{root}/deliveries/live") as page:
        assert page.status == 401


@pytest.mark.fault(
    "Another site's page sends a form with the cookie of a frame, which browsers send with it, too",
    "403, and nothing changes: forms need their session's token and our own origin",
    cases=5,
)
async def test_a_form_of_another_site_changes_nothing_though_the_cookie_comes_along(
    api: RunningApi, frame: ConsoleClient, root: str
) -> None:
    webhook = await api.webhook()
    await enter(frame, await make(api))
    token, path = await frame.token(), f"{root}/webhooks/{webhook['id']}/delete"
    for fields, headers in (
        ({}, {}),
        ({"form_token": "x"}, {}),
        ({"form_token": token}, {"Sec_Fetch_Site": "cross-site"}),
        ({"form_token": token}, {"Sec_Fetch_Site": "same-site"}),
        ({"form_token": token}, {"Origin": PRODUCT}),
    ):
        assert (await frame.send("POST", path, fields, **headers)).status == 403, (fields, headers)
    assert (await api.as_acme.get(f"/v1/webhooks/{webhook['id']}")).status == 200


async def test_whose_session_is_over_is_told_so_within_the_frame(
    api: RunningApi, frame: ConsoleClient, root: str
) -> None:
    link = await make(api)
    await enter(frame, link)
    await api.operator.delete(f"/v1/portal-links/{link['id']}")
    page = await frame.get(f"{root}/webhooks")
    assert (page.status, policy(page)) == (401, ALLOWED)
    assert "load the page around this one again" in page.text


async def test_who_signs_out_in_a_frame_sees_a_page_that_it_may_show(api: RunningApi, frame: ConsoleClient) -> None:
    await enter(frame, await make(api))
    page = await frame.post("/console/sign-out")
    assert page.location == "/console/portal"
    frame.keep(page)
    assert frame.cookie is None


async def test_the_way_back_leaves_the_frame(api: RunningApi, frame: ConsoleClient, root: str) -> None:
    await enter(frame, await make(api, returnUrl=f"{PRODUCT}/settings"))
    link = f'<a href="{PRODUCT}/settings" rel="noreferrer" target="_top">'
    assert link in (await frame.get(f"{root}/webhooks")).text


@pytest.mark.fault(
    "A frame asks for the console of an operator who has allowed no origin", "As outside: no browser shows it", cases=2
)
async def test_without_the_setting_a_frame_gets_what_everybody_gets(tmp_path: Path) -> None:
    async with running_api(tmp_path, settings=make_settings(tmp_path)) as api:
        frame = ConsoleClient(api.operator.app)
        entered = await enter(frame, await make(api), Sec_Fetch_Dest="iframe")
        assert cookies(entered)["console_session"] >= {"SameSite=Lax"}
        for path in ("/console/portal", f"/console/teams/{api.acme.id}/webhooks"):
            page = await frame.get(path, Sec_Fetch_Dest="iframe")
            assert (page.status, policy(page)) == (200, NONE)
