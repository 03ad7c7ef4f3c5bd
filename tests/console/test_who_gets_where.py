"""Who gets where: every page, without a session and with every kind of key."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from api.console.routes import PAGES, Audience
from tests.console.conftest import signed_in
from tests.console.who_gets_where import ADMINS_PAGES, BROWSERS_OWN, NOT_BY_LINK, TABLE, Row
from tests.support.api_client import RunningApi, running_api
from tests.support.console_client import ConsoleClient, Page
from tests.support.daemon import make_settings

NOBODYS = {
    "team": "team_x",
    "event": "evt_x",
    "webhook": "wh_x",
    "delivery": "dlv_x",
    "key": "key_x",
    "link": "plk_x",
    "job": "job_x",
}
POSTS = {route: row for route, row in TABLE.items() if route.startswith("POST")}

READS = {route: row for route, row in TABLE.items() if route not in POSTS}


@dataclass(frozen=True, slots=True)
class World:
    """Acme with one of everything, and another team."""

    api: RunningApi
    ids: Mapping[str, str]
    others_key: str

    async def everything_of_acmes(self) -> list[Any]:
        """Return what an attack could have changed."""
        answers = [await self.api.as_acme.get(f"/v1/{path}") for path in ("webhooks", "deliveries")]
        found = [answer.value["items"] for answer in answers]
        keys = await self.api.operator.get(f"/v1/teams/{self.api.acme.id}/keys")
        teams = await self.api.operator.get("/v1/teams")
        links = await self.api.operator.get(f"/v1/teams/{self.api.acme.id}/portal-links")
        return [found[0], [one["id"] for one in found[1]], keys.value, teams.value, links.value]

    async def renewed(self) -> "World":
        """Return the world with things that nobody has changed yet."""
        return replace(self, ids=await things_of_acme(self.api))


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[RunningApi]:
    async with running_api(tmp_path, settings=make_settings(tmp_path, api={"rate_limit_per_s": 0})) as api:
        yield api


@pytest.fixture
async def world(api: RunningApi) -> World:
    _, other = await api.another_team()
    return World(api, await things_of_acme(api), str(other.key))


async def things_of_acme(api: RunningApi) -> Mapping[str, str]:
    """Make one of everything; return the ids."""
    webhook = await api.webhook(secret="s" * 20, signatureScheme="both")
    event = await api.submit()
    deliveries = (await api.as_acme.get(f"/v1/events/{event}")).value["deliveries"]
    job = (await api.as_acme.post("/v1/bulk-jobs", {"action": "cancel", "filter": {}})).value["id"]
    [delivery] = [one["id"] for one in deliveries if one["webhookId"] == webhook["id"]]
    key = (await api.operator.post(f"/v1/teams/{api.acme.id}/keys", {"name": "spare"})).value
    link = (await api.operator.post(f"/v1/teams/{api.acme.id}/portal-links", {})).value
    return {
        "link": link["id"],
        "team": api.acme.id,
        "webhook": webhook["id"],
        "event": event,
        "delivery": delivery,
        "job": job,
        "key": key["id"],
    }


async def request(client: ConsoleClient, route: str, row: Row, ids: Mapping[str, str]) -> Page | int:
    """Ask for a page as its own forms do; return only the status of a live one."""
    path = row.path(route, ids)
    if route.startswith("POST"):
        return await client.post(path, **row.fields)
    if path.endswith("/live"):
        async with client.stream(path) as stream:
            return int(stream.status or 0)
    return await client.get(path)


def status_of(answer: Page | int) -> int:
    return answer if isinstance(answer, int) else answer.status


def text_of(answer: Page | int) -> str:
    return "" if isinstance(answer, int) else answer.text


def test_the_table_has_every_page_but_the_sign_in_and_no_other() -> None:
    assert {f"{page.method} {page.path}" for page in PAGES if page.audience is not Audience.ANYBODY} == set(TABLE)


@pytest.mark.fault(
    "Somebody who has not signed in asks for any page of the console, or sends one of its forms",
    "They are led to the sign-in; nothing is read, nothing changes",
    cases=len(TABLE),
)
async def test_who_has_not_signed_in_is_led_to_the_sign_in(world: World) -> None:
    before, nobody = await world.everything_of_acmes(), ConsoleClient(world.api.operator.app)
    for route, row in TABLE.items():
        path = row.path(route, world.ids)
        page = await nobody.send(route.partition(" ")[0], path, row.fields if route in POSTS else None)
        if path.endswith("/live"):
            assert page.status == 401, route
        else:
            assert page.status == 303, route
            assert page.location.startswith("/console/sign-in"), route
        assert page.text == ""
    assert await world.everything_of_acmes() == before


@pytest.mark.fault(
    "A team's session asks for another team's page of the console, or sends its forms",
    "404, the same page as for what nobody has; nothing changes",
    cases=len(TABLE),
)
async def test_another_team_gets_what_it_would_get_if_the_thing_did_not_exist(world: World) -> None:
    before = await world.everything_of_acmes()
    for route, row in TABLE.items():
        others = await signed_in(world.api, world.others_key)
        answer = await request(others, route, row, world.ids)
        assert status_of(answer) == row.other, route
        if row.other == 404:
            nobodys = await request(others, route, row, NOBODYS)
            assert text_of(answer) == text_of(nobodys), route
            assert not any(each in text_of(answer) for each in (*world.ids.values(), "Acme"))
    assert await world.everything_of_acmes() == before


async def test_a_team_and_the_operator_get_the_teams_pages_and_the_operator_its_own(
    api: RunningApi, world: World, acme: ConsoleClient, operator: ConsoleClient
) -> None:
    for route, row in READS.items():
        assert status_of(await request(acme, route, row, world.ids)) == row.own, route
        assert status_of(await request(operator, route, row, world.ids)) == row.operator, route


@pytest.mark.fault(
    "A key that only reads asks for a page with a form, or sends one",
    "403, and nothing changes; the other pages have no form but those of the browser: sign-out and preferences",
    cases=len(TABLE),
)
async def test_a_key_that_only_reads_sees_the_pages_and_no_form(world: World) -> None:
    made = await world.api.operator.post(f"/v1/teams/{world.api.acme.id}/keys", {"name": "r", "role": "read"})
    before = await world.everything_of_acmes()
    for route, row in TABLE.items():
        reader = await signed_in(world.api, made.value["key"])
        answer = await request(reader, route, row, world.ids)
        is_refused = route in ADMINS_PAGES or (route in POSTS and route not in BROWSERS_OWN)
        assert status_of(answer) == (403 if is_refused else row.own), route
        assert text_of(answer).count('method="post"') <= 1 + (route == "GET preferences"), route
    assert await world.everything_of_acmes() == before


async def by_link(api: RunningApi, team_id: str, **body: Any) -> ConsoleClient:
    """Return a browser that has followed a new portal link."""
    made = await api.operator.post(f"/v1/teams/{team_id}/portal-links", body)
    browser = ConsoleClient(api.operator.app)
    browser.keep(await browser.send("POST", "/console/portal", {"link": made.value["url"].partition("#")[2]}))
    return browser


@pytest.mark.fault(
    "Somebody who came by a portal link asks for the keys, the audit trail, or the operator's or another team's pages",
    "404, and nothing changes; a link that only reads gets 403 for each change",
    cases=3 * len(TABLE),
)
async def test_who_came_by_a_link_gets_the_teams_pages_but_its_keys_and_its_audit_trail(world: World) -> None:
    other, _ = await world.api.another_team("Third")
    teams = await by_link(world.api, world.api.acme.id)
    reader = await by_link(world.api, world.api.acme.id, readOnly=True)
    others = await by_link(world.api, other.id)
    before = await world.everything_of_acmes()
    rows = sorted(TABLE.items(), key=lambda each: each[0] == "POST sign-out")  # the last one
    for route, row in rows:
        answer = await request(reader, route, row, world.ids)
        changes = route in ADMINS_PAGES or (route in POSTS and route not in BROWSERS_OWN)
        status = 404 if route in NOT_BY_LINK else 403 if changes else row.own
        assert status_of(answer) == status, route
        assert text_of(answer).count('method="post"') <= 1 + (route == "GET preferences"), route
        assert "/settings" not in text_of(answer), route
        status = 404 if route in NOT_BY_LINK else row.other
        assert status_of(await request(others, route, row, world.ids)) == status, route
    assert await world.everything_of_acmes() == before
    for route, row in rows:
        ids = (await world.renewed()).ids if route in POSTS else world.ids
        assert status_of(await request(teams, route, row, ids)) == (404 if route in NOT_BY_LINK else row.own), route


async def test_a_key_that_only_submits_has_no_session(api: RunningApi) -> None:
    made = await api.operator.post(f"/v1/teams/{api.acme.id}/keys", {"name": "s", "role": "submit"})
    page = await ConsoleClient(api.operator.app).sign_in(made.value["key"])
    assert page.status == 422
    assert page.mistake("key") == "This key may only submit events: sign in with one whose role is admin or read."


async def test_a_team_changes_what_is_its_own(world: World) -> None:
    for route, row in POSTS.items():
        acme = await signed_in(world.api, str(world.api.as_acme.key))
        assert status_of(await request(acme, route, row, (await world.renewed()).ids)) == row.own, route


async def test_the_operator_changes_everything(world: World) -> None:
    for route, row in POSTS.items():
        operator = await signed_in(world.api, str(world.api.operator.key))
        assert status_of(await request(operator, route, row, (await world.renewed()).ids)) == row.operator, route


@pytest.mark.fault(
    "An address names one team and what belongs to another one",
    "404, for the operator, too: a page is about one team",
    cases=2,
)
@pytest.mark.parametrize(("pages", "thing"), [("webhooks", "webhook"), ("deliveries", "delivery")])
async def test_a_page_of_one_team_shows_nothing_of_another(world: World, pages: str, thing: str) -> None:
    other, _ = await world.api.another_team("Third")
    operator = await signed_in(world.api, str(world.api.operator.key))
    assert (await operator.get(f"/console/teams/{world.api.acme.id}/{pages}/{world.ids[thing]}")).status == 200
    assert (await operator.get(f"/console/teams/{other.id}/{pages}/{world.ids[thing]}")).status == 404


ADVICE = (
    "go back, reload the page and send it again",
    "open the console, and send the form from there",
    "have the proxy pass the Host header on",
)


@pytest.mark.fault(
    "A form comes without its session's token, with another session's, or from another site's page",
    "403, and nothing changes",
    cases=5 * len(POSTS),
)
async def test_a_form_that_is_not_of_this_session_changes_nothing(world: World, operator: ConsoleClient) -> None:
    others = await signed_in(world.api, world.others_key)
    token, foreign_token = await operator.token(), await others.token()
    before = await world.everything_of_acmes()
    attempts: tuple[tuple[dict[str, str], dict[str, str]], ...] = (
        ({}, {}),
        ({"form_token": foreign_token}, {}),
        ({"form_token": token}, {"Origin": "https://evil.example"}),
        ({"form_token": token}, {"Sec_Fetch_Site": "cross-site"}),
        ({"form_token": token}, {"Sec_Fetch_Site": "same-site", "Origin": "http://127.0.0.1"}),
    )
    for route, row in POSTS.items():
        for fields, headers in attempts:
            page = await operator.send("POST", row.path(route, world.ids), {**row.fields, **fields}, **headers)
            assert page.status == 403, route
            assert any(advice in page.text for advice in ADVICE)
    assert await world.everything_of_acmes() == before
    assert (await operator.get("/console/teams")).status == 200, "the session goes on"


async def test_a_change_is_never_made_by_following_a_link(world: World, operator: ConsoleClient) -> None:
    before = await world.everything_of_acmes()
    for route, row in POSTS.items():
        page = await operator.get(row.path(route, world.ids))
        assert page.status == 405 or f"GET {route.partition(' ')[2]}" in TABLE, route
    assert await world.everything_of_acmes() == before
