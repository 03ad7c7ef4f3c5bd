"""Who gets where: every route of the application, with every kind of key."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from api.app import create_app
from daemon.crypto.api_keys import ApiKeys, Principal, digest_of
from daemon.domain.audit import THE_DAEMON
from tests.security.who_gets_where import TABLE, Row
from tests.support.api_client import Answer, ApiClient, RunningApi, running_api
from tests.support.daemon import OPERATOR_KEY, make_settings
from tests.support.ways import going, ways_of_path

ELSEWHERE = ("192.0.2.1", 8480)
STRANGERS = 12
WERKZEUG_ID = re.compile(r"<id\([^)]*\):[a-z_]+>")
NOBODYS_IDS = {
    "acme": "team_x",
    "webhook": "wh_x",
    "event": "evt_x",
    "delivery": "dlv_x",
    "key": "key_x",
    "link": "plk_x",
    "listener": "wh_y",
    "job": "job_x",
}

EACH_WAY = [(route, row, way) for route, row in TABLE.items() for way in ways_of_path(route.partition(" ")[2])]


@dataclass(frozen=True, slots=True)
class World:
    """Acme with one of everything, another team, and a key of acme's that was revoked."""

    api: RunningApi
    other: ApiClient
    ids: Mapping[str, str]
    revoked: str
    headers_of_strangers: tuple[Mapping[str, str], ...]

    async def after(self, route: str, answer: Answer) -> "World":
        """Return the world with things as they were: itself, if this request can have changed nothing."""
        if route.startswith("GET ") or answer.status >= 400:
            return self
        return replace(self, ids=await things_of_acme(self.api))

    async def ask(self, client: ApiClient, route: str, row: Row, ids: Mapping[str, str] | None = None) -> Answer:
        method, target, body = row.request(route, self.ids if ids is None else ids)
        if row.is_endless:
            self.api.handles.console.changes.close()
            self.api.daemon.parts.listeners.close()
        return await client.call(method, target, content=body, server=ELSEWHERE)

    async def ask_as_stranger(self, route: str, row: Row, headers: Mapping[str, str]) -> Answer:
        method, target, body = row.request(route, self.ids)
        nobody = self.api.operator.with_key(None)
        return await nobody.call(method, target, content=body, headers=headers, server=ELSEWHERE)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with running_api(tmp_path, settings=make_settings(tmp_path, api={"rate_limit_per_s": 0})) as api:
        revoked = await key_of_acme(api, "revoked")
        assert (await api.operator.delete(f"/v1/keys/{revoked['id']}")).status == 204
        _, other = await api.another_team()
        headers = strangers(str(api.as_acme.key), revoked["key"])
        yield World(api, other, await things_of_acme(api), revoked["key"], headers)


async def key_of_acme(api: RunningApi, name: str) -> Any:
    return (await api.operator.post(f"/v1/teams/{api.acme.id}/keys", {"name": name})).value


async def things_of_acme(api: RunningApi) -> Mapping[str, str]:
    """Make one of everything; return the ids."""
    webhook = await api.webhook(signatureScheme="both")
    event = await api.submit()
    deliveries = (await api.as_acme.get(f"/v1/events/{event}")).value["deliveries"]
    [delivery] = [one["id"] for one in deliveries if one["webhookId"] == webhook["id"]]
    key = await key_of_acme(api, "spare")
    link = (await api.operator.post(f"/v1/teams/{api.acme.id}/portal-links", {})).value["id"]
    listener = await live_webhook(api)
    await api.operator.patch(f"/v1/teams/{api.acme.id}", {"notificationEmails": ["old@acme.example"]})
    asked = {"action": "cancel", "deliveryIds": [delivery]}
    job = (await api.as_acme.post("/v1/bulk-jobs", asked)).value["id"]
    ids = {"webhook": webhook["id"], "event": event, "delivery": delivery, "key": key["id"], "link": link}
    ids["listener"] = listener
    return {"acme": api.acme.id, "job": job, **ids}


async def live_webhook(api: RunningApi) -> str:
    """Make a webhook as a live listener's stream does; return its id."""
    webhook_id = api.daemon.parts.clock.new_id("wh")
    create = api.daemon.parts.webhooks.create_live
    await create(webhook_id, api.acme.id, ("linkedin.message.sent",), secret="s3cret", by=THE_DAEMON)
    return webhook_id


def strangers(key: str, revoked: str) -> tuple[Mapping[str, str], ...]:
    """Return what those send who are to be kept out: no key, malformed ones, wrong ones, a revoked one."""
    values = ("", "Bearer", "Bearer ", key, f"Basic {key}", f"Bearer{key}", f"Bearer {key} x", f"Bearer {key[:-1]}")
    wrong = ("Bearer kwh_unknown", "Bearer \xff\xfe", f"Bearer {revoked}")
    return ({}, *({"Authorization": value} for value in (*values, *wrong)))


async def test_the_table_has_every_route_of_the_api_and_no_other(world: World) -> None:
    served = {
        f"{method} {WERKZEUG_ID.sub('{1}', rule.rule)}"
        for rule in create_app(world.api.handles).url_map.iter_rules()
        if not rule.rule.startswith("/console")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert served == {re.sub(r"{[a-z_]+}", "{1}", route) for route in TABLE}


@pytest.mark.fault(
    "Somebody without a valid key (none, malformed, wrong, revoked) calls any route",
    "401, the same bytes for all; nothing is read, nothing changes",
    cases=2 * STRANGERS * len(TABLE),
)
async def test_who_has_no_valid_key_gets_the_same_401_everywhere(world: World, way: str) -> None:
    assert len(world.headers_of_strangers) == STRANGERS
    reference = await world.api.operator.with_key(None).get("/v1/verify")
    for route, row in TABLE.items():
        for headers in world.headers_of_strangers:
            answer = await world.ask_as_stranger(route, row, headers)
            assert (answer.status, answer.code) == (401, "unauthorized"), route
            assert answer == reference, route


@pytest.mark.fault(
    "A team's key asks for what another team owns, by its id in the path, the query or the body",
    "404, byte for byte as for an id that nobody has; 403 where only the operator may",
    cases=2 * len(TABLE),
)
async def test_another_teams_key_gets_what_it_would_get_if_the_thing_did_not_exist(world: World, way: str) -> None:
    before = await everything_of_acmes(world)
    for route, row in TABLE.items():
        answer = await world.ask(world.other, route, row)
        assert answer.status == row.other, route
        if row.other == 404:
            assert answer == await world.ask(world.other, route, row, NOBODYS_IDS), route
        if row.other >= 400:
            assert not any(each.encode() in answer.body for each in world.ids.values()), route
    assert await everything_of_acmes(world) == before


async def test_a_teams_own_key_gets_what_is_the_teams(world: World) -> None:
    for route, row, by in EACH_WAY:
        with going(by):
            answer = await world.ask(world.api.as_acme, route, row)
        world = await world.after(route, answer)
        assert answer.status == row.own, (route, by)


@pytest.mark.fault(
    "A key that may only submit events, or only read, is used for something else",
    "403 that says which role it has, before anything is read or changed",
    cases=2 * len(TABLE),
)
async def test_a_key_does_what_its_role_allows_and_nothing_else(world: World) -> None:
    for role in ("read", "submit"):
        made = await world.api.operator.post(f"/v1/teams/{world.api.acme.id}/keys", {"name": role, "role": role})
        client = world.api.operator.with_key(made.value["key"])
        for route, row in TABLE.items():
            answer = await world.ask(client, route, row)
            world = await world.after(route, answer)
            if row.own == 403 or role in row.roles:
                assert answer.status == row.own, (route, role)
            else:
                assert (answer.status, answer.code) == (403, "role_not_enough"), (route, role)


async def test_the_operator_gets_everywhere(world: World) -> None:
    for route, row, by in EACH_WAY:
        with going(by):
            answer = await world.ask(world.api.operator, route, row)
        world = await world.after(route, answer)
        assert answer.status == row.operator, (route, by)


@pytest.mark.fault(
    "A team's key gives a cursor that another team's list answered with",
    "422 naming `cursor`, and nothing else",
    cases=3,
)
async def test_a_cursor_of_another_teams_list_gives_nothing_of_theirs(world: World) -> None:
    await world.api.webhook()
    await world.api.submit()
    for amount in (1, 2):
        await world.api.operator.post("/v1/credits/grants", {"teamId": world.api.acme.id, "amount": amount})
    for path in ("/v1/webhooks", "/v1/deliveries", "/v1/credits/entries"):
        cursor = (await world.api.as_acme.get(path, limit=1)).value["nextCursor"]
        assert cursor is not None
        answer = await world.other.get(path, cursor=cursor)
        assert (answer.status, answer.code, answer.paths) == (422, "invalid_field", ["query.cursor"])
        assert not any(each.encode() in answer.body for each in world.ids.values()), path


@pytest.mark.fault(
    "A team's key names another team's webhook in a filter", "An empty list, as for a webhook that nobody has"
)
async def test_a_filter_naming_another_teams_webhook_finds_nothing(world: World) -> None:
    theirs = await world.other.get("/v1/deliveries", webhookId=world.ids["webhook"])
    assert theirs.value == {"items": [], "nextCursor": None}
    assert theirs == await world.other.get("/v1/deliveries", webhookId="wh_x")


@pytest.mark.fault(
    "A team's key sends an Idempotency-Key that another team has used", "Its own event, and a receipt of its own"
)
async def test_another_teams_idempotency_key_is_another_key(world: World, way: str) -> None:
    event = {"event": "linkedin.message.sent", "data": {}}
    [ours, theirs] = [
        await client.post("/v1/events", event, **{"Idempotency-Key": "the same"})
        for client in (world.api.as_acme, world.other)
    ]
    assert (ours.status, theirs.status) == (202, 202)
    assert ours.value["id"] != theirs.value["id"]
    assert (await world.other.get(f"/v1/events/{ours.value['id']}")).status == 404


@pytest.mark.fault(
    "A request carries two keys, so that a proxy and the daemon may each judge another one",
    "401, whichever comes first",
)
async def test_of_two_keys_none_is_taken(world: World) -> None:
    app = world.api.operator.app
    for first, second in ((OPERATOR_KEY, "x"), ("x", OPERATOR_KEY)):
        headers = [("Authorization", f"Bearer {first}"), ("Authorization", f"Bearer {second}")]
        response = await app.test_client().get("/v1/verify", headers=headers)
        assert response.status_code == 401


@pytest.mark.fault(
    "A proxy on this machine forwards a request for /metrics or /healthz, which need no key locally",
    "401: who was forwarded is not local",
    cases=4,
)
async def test_a_forwarded_request_is_not_a_local_one(world: World) -> None:
    nobody = world.api.operator.with_key(None)
    for path in ("/metrics", "/healthz", "/readyz", "/openapi.json"):
        assert (await nobody.call("GET", path)).status == 200
        for header in ("Forwarded", "Via", "X-Forwarded-For", "X-Real-IP"):
            assert (await nobody.call("GET", path, headers={header: "127.0.0.1"})).status == 401, (path, header)


OF_NOBODY_HERE = (
    {"Host": "hooks.example.com"},
    {"Host": "hooks.example.com:80"},
    {"Host": "evil.example"},
    {"Host": "localhost.evil.example"},
    {"Host": "127.0.0.1.evil.example"},
    {"Host": "localhost:8481"},
    {"Host": "10.0.0.1"},
    {"Host": ""},
    {"Host": "[::2]"},
    {"Origin": "http://localhost"},
    {"Referer": "http://localhost/"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Cookie": "a=b"},
    {"X-Forwarded-Host": "localhost"},
    {"X-Forwarded-Proto": "http"},
    {"CF-Connecting-IP": "127.0.0.1"},
    {"X-Client-IP": "127.0.0.1"},
)


@pytest.mark.fault(
    "What a proxy, a browser or a site whose name leads here (DNS rebinding) sends for /metrics over loopback",
    "401 unless the peer is on this machine, the Host is ours, and nothing says that it was forwarded or is a browser",
    cases=len(OF_NOBODY_HERE),
)
async def test_the_metrics_are_for_who_is_surely_on_this_machine(world: World) -> None:
    nobody = world.api.operator.with_key(None)
    for headers in OF_NOBODY_HERE:
        answer = await nobody.call("GET", "/metrics", headers=headers)
        assert (answer.status, answer.code) == (401, "unauthorized"), headers
        assert (await world.api.operator.call("GET", "/metrics", headers=headers)).status == 200, headers


async def test_a_peer_elsewhere_is_not_on_this_machine_whatever_it_says(world: World) -> None:
    nobody = world.api.operator.with_key(None)
    assert (await nobody.call("GET", "/metrics", client=("192.0.2.1", 5))).status == 401


async def test_a_local_client_needs_no_key_for_the_metrics(world: World) -> None:
    nobody = world.api.operator.with_key(None)
    for host in ("127.0.0.1", "127.0.0.1:80", "127.9.9.9", "localhost", "localhost:80", "[::1]:80"):
        assert (await nobody.call("GET", "/metrics", headers={"Host": host})).status == 200, host


class CountingApiKeys(ApiKeys):
    """Counts how often it is asked."""

    def __init__(self, operator_key: str) -> None:
        super().__init__(operator_key)
        self.asked = 0

    def find(self, key: str) -> Principal | None:
        self.asked += 1
        return super().find(key)


class WatchedKey(str):
    """A key that must not be compared with another one, character by character."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        raise AssertionError("a key was compared")


@pytest.mark.fault(
    "The time of a 401 is measured, to guess a key piece by piece",
    "One look-up of a digest, whatever was sent: how much of a key was right changes nothing",
)
async def test_every_refused_key_costs_one_look_up_of_a_digest(tmp_path: Path) -> None:
    async with running_api(tmp_path) as api:
        api_keys = CountingApiKeys(OPERATOR_KEY)
        nobody = ApiClient(create_app(replace(api.handles, api_keys=api_keys)), None)
        for number, headers in enumerate(strangers(OPERATOR_KEY, "x"), 1):
            assert (await nobody.call("GET", "/v1/verify", headers=headers)).status == 401
            assert api_keys.asked == number


def test_a_key_is_found_by_its_digest_and_never_compared() -> None:
    api_keys = ApiKeys(OPERATOR_KEY)
    assert api_keys.find(WatchedKey(OPERATOR_KEY)) is not None
    assert api_keys.find(WatchedKey(OPERATOR_KEY[:-1])) is None
    assert digest_of(WatchedKey(OPERATOR_KEY)) == digest_of(OPERATOR_KEY)


async def everything_of_acmes(world: World) -> list[Any]:
    """Return all that an attack could have changed, but for what goes on by itself: attempts and debits."""
    api = world.api
    deliveries = (await api.as_acme.get("/v1/deliveries")).value["items"]
    return [
        (await api.as_acme.get("/v1/webhooks")).value,
        [delivery["id"] for delivery in deliveries],
        (await api.operator.get("/v1/teams")).value,
        (await api.operator.get(f"/v1/teams/{api.acme.id}/keys")).value,
    ]
