"""Who gets where: every page, without a session and with every kind of key."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from api.console.routes import PAGES, For
from tests.console.conftest import signed_in
from tests.console.who_gets_where import TABLE, Row
from tests.support.api_client import ApiHouse
from tests.support.console_client import ConsoleClient, Page

NOBODYS = {"team": "team_x", "webhook": "wh_x", "delivery": "dlv_x", "key": "key_x"}
POSTS = {route: row for route, row in TABLE.items() if route.startswith("POST")}

every_page = pytest.mark.parametrize(("route", "row"), TABLE.items(), ids=list(TABLE))
every_change = pytest.mark.parametrize(("route", "row"), POSTS.items(), ids=list(POSTS))


@dataclass(frozen=True, slots=True)
class World:
    """Acme with one of everything, and another team."""

    api: ApiHouse
    ids: Mapping[str, str]
    others: ConsoleClient

    async def everything_of_acmes(self) -> list[Any]:
        """Return what an attack could have changed."""
        answers = [await self.api.as_acme.get(f"/v1/{path}") for path in ("webhooks", "deliveries")]
        found = [answer.value["items"] for answer in answers]
        keys = await self.api.operator.get(f"/v1/teams/{self.api.acme.id}/keys")
        teams = await self.api.operator.get("/v1/teams")
        return [found[0], [one["id"] for one in found[1]], keys.value, teams.value]


@pytest.fixture
async def world(api: ApiHouse) -> World:
    webhook = await api.webhook(secret="s" * 20)
    event = await api.submit()
    [delivery] = (await api.as_acme.get(f"/v1/events/{event}")).value["deliveries"]
    [key] = (await api.operator.get(f"/v1/teams/{api.acme.id}/keys")).value["items"]
    ids = {"team": api.acme.id, "webhook": webhook["id"], "delivery": delivery["id"], "key": key["id"]}
    _, other = await api.another_team()
    return World(api, ids, await signed_in(api, str(other.key)))


async def visit(client: ConsoleClient, route: str, row: Row, ids: Mapping[str, str]) -> Page | int:
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


def test_the_table_has_every_page_but_the_sign_in_and_no_other() -> None:
    assert {f"{page.method} {page.path}" for page in PAGES if page.whom is not For.ANYBODY} == set(TABLE)


@pytest.mark.fault(
    "Somebody who has not signed in asks for any page of the console, or sends one of its forms",
    "They are led to the sign-in; nothing is read, nothing changes",
    cases=len(TABLE),
)
@every_page
async def test_who_has_not_signed_in_is_led_to_the_sign_in(world: World, route: str, row: Row) -> None:
    before = await world.everything_of_acmes()
    nobody = ConsoleClient(world.api.operator.app)
    method, path = route.partition(" ")[0], row.path(route, world.ids)
    page = await nobody.send(method, path, row.fields if method == "POST" else None)
    if path.endswith("/live"):
        assert page.status == 401
    else:
        assert page.status == 303
        assert page.location.startswith("/console/sign-in")
    assert page.text == ""
    assert await world.everything_of_acmes() == before


@pytest.mark.fault(
    "A team's session asks for another team's page of the console, or sends its forms",
    "404, the same page as for what nobody has; nothing changes",
    cases=len(TABLE),
)
@every_page
async def test_another_team_gets_what_it_would_get_if_the_thing_did_not_exist(
    world: World, route: str, row: Row
) -> None:
    before = await world.everything_of_acmes()
    answer = await visit(world.others, route, row, world.ids)
    assert status_of(answer) == row.other
    if row.other == 404:
        assert isinstance(answer, int) or not any(each in answer.text for each in (*world.ids.values(), "Acme"))
        nobodys = await visit(world.others, route, row, NOBODYS)
        assert isinstance(answer, int) or isinstance(nobodys, int) or answer.text == nobodys.text
        assert await world.everything_of_acmes() == before


@every_page
async def test_a_team_gets_its_own_pages(world: World, route: str, row: Row) -> None:
    client = await signed_in(world.api, str(world.api.as_acme.key))
    assert status_of(await visit(client, route, row, world.ids)) == row.own


@every_page
async def test_the_operator_gets_everywhere(world: World, route: str, row: Row) -> None:
    client = await signed_in(world.api, str(world.api.operator.key))
    assert status_of(await visit(client, route, row, world.ids)) == row.operator


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


@pytest.mark.fault(
    "A form comes without its session's token, with another session's, or from another site's page",
    "403, and nothing changes",
    cases=5 * len(POSTS),
)
@every_change
async def test_a_form_that_is_not_of_this_session_changes_nothing(world: World, route: str, row: Row) -> None:
    acting = await signed_in(world.api, str(world.api.operator.key))
    token, foreign_token = await acting.token(), await world.others.token()
    before, path = await world.everything_of_acmes(), row.path(route, world.ids)
    for fields, headers in (
        ({}, {}),
        ({"form_token": foreign_token}, {}),
        ({"form_token": token}, {"Origin": "https://evil.example"}),
        ({"form_token": token}, {"Sec_Fetch_Site": "cross-site"}),
        ({"form_token": token}, {"Sec_Fetch_Site": "same-site", "Origin": "http://127.0.0.1"}),
    ):
        page = await acting.send("POST", path, {**row.fields, **fields}, **headers)
        assert page.status == 403
        assert "go back, reload the page and send it again" in page.text
    assert await world.everything_of_acmes() == before
    assert (await acting.get("/console/teams")).status == 200, "the session goes on"


@every_change
async def test_a_change_is_never_made_by_following_a_link(world: World, route: str, row: Row) -> None:
    before = await world.everything_of_acmes()
    acting = await signed_in(world.api, str(world.api.operator.key))
    page = await acting.get(row.path(route, world.ids))
    assert page.status == 405 or f"GET {route.partition(' ')[2]}" in TABLE
    assert await world.everything_of_acmes() == before
