"""Idempotency-Key on every request that makes something: it is carried out once (contract "HTTP API")."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio
from sqlalchemy import text
from werkzeug.datastructures import Headers

from api.app import ROUTES
from daemon.crypto.idempotency import scope_of
from daemon.domain.submission import Idempotency
from tests.support.api_client import MESSAGE_SENT, PUBLIC_URL, Answer, RunningApi, running_api

pytestmark = pytest.mark.usefixtures("each_engine")

ADDED = "prospect.scored"
SINCE = {"since": "1970-01-01T00:00:00Z"}


@dataclass(frozen=True, slots=True)
class World:
    """An API with one webhook and one delivery, which went to it."""

    api: RunningApi
    webhook_id: str
    delivery_id: str

    def count(self, table: str) -> int:
        """How many rows a table has."""
        with self.api.daemon.database.reading.connect() as connection:
            return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())  # ours

    async def post(self, path: str, body: Any, key: str = "k") -> Answer:
        return await self.api.operator.post(path, body, **{"Idempotency-Key": key})


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with running_api(tmp_path) as api:
        await api.operator.post("/v1/event-types", {"name": ADDED, "description": "d"})
        webhook = await api.webhook(secret="generate")  # no secret: asks for one
        event = (await api.as_acme.get(f"/v1/events/{await api.submit()}")).value
        yield World(api, webhook["id"], event["deliveries"][0]["id"])


@dataclass(frozen=True, slots=True)
class Making:
    """A request that makes something: its path, its body, another body, and the table that gets a row."""

    path: Callable[[World], str]
    body: Callable[[World], Any]
    table: str
    rows: int = 1


MAKING = {
    "create_team": Making(lambda _: "/v1/teams", lambda _: {"name": "New"}, "teams"),
    "add_address": Making(
        lambda w: f"/v1/teams/{w.api.acme.id}/notification-emails",
        lambda _: {"email": "new@acme.example"},
        "address_confirmations",
    ),
    "add_type": Making(lambda _: "/v1/event-types", lambda _: {"name": "a.b", "description": "d"}, "event_types"),
    "add_type_version": Making(
        lambda _: f"/v1/event-types/{ADDED}/versions", lambda _: {"schema": True}, "event_type_versions"
    ),
    "create_portal_link": Making(lambda w: f"/v1/teams/{w.api.acme.id}/portal-links", lambda _: {}, "portal_links"),
    "create_bulk_job": Making(
        lambda _: "/v1/bulk-jobs",
        lambda w: {"teamId": w.api.acme.id, "action": "cancel", "filter": {}},
        "bulk_jobs",
    ),
    "create_key": Making(lambda w: f"/v1/teams/{w.api.acme.id}/keys", lambda _: {"name": "CI"}, "api_keys"),
    "create_webhook": Making(
        lambda _: "/v1/webhooks",
        lambda w: {"teamId": w.api.acme.id, "name": "n", "url": PUBLIC_URL, "events": ["*"], "secret": "generate"},
        "webhooks",
    ),
    "rotate_webhook_secret": Making(
        lambda w: f"/v1/webhooks/{w.webhook_id}/rotate-secret", lambda _: {"overlapHours": 1}, "webhooks", 0
    ),
    "grant_credits": Making(
        lambda _: "/v1/credits/grants",
        lambda w: {"teamId": w.api.acme.id, "amount": 5},
        "credit_entries WHERE amount > 0",
    ),
    "resend_delivery": Making(lambda w: f"/v1/deliveries/{w.delivery_id}/resend", lambda _: {}, "deliveries"),
    "recover_webhook": Making(lambda w: f"/v1/webhooks/{w.webhook_id}/recover", lambda _: SINCE, "deliveries", 0),
    "send_test": Making(
        lambda _: "/v1/webhooks/test", lambda w: {"teamId": w.api.acme.id, "event": MESSAGE_SENT}, "events"
    ),
}
every_making = pytest.mark.parametrize("making", MAKING.values(), ids=list(MAKING))


def test_every_post_that_makes_something_takes_an_idempotency_key() -> None:
    of_events, makes_nothing = (
        {"submit_event", "submit_events"},
        {"drain_node", "answer_attempt", "preview_bulk_job", "cancel_bulk_job", "try_filter"},
    )
    while_it_streams = {"listen"}
    others = of_events | makes_nothing | while_it_streams
    assert {route.name for route in ROUTES if route.method == "POST"} == set(MAKING) | others
    assert {route.name for route in ROUTES if route.once} == set(MAKING)


@every_making
@pytest.mark.fault(
    "A request that makes something is repeated under its Idempotency-Key", "The first answer, once more"
)
async def test_a_repeated_request_gets_the_first_answer_and_makes_nothing_again(world: World, making: Making) -> None:
    before = world.count(making.table)
    first = await world.post(making.path(world), making.body(world))
    again = await world.post(making.path(world), making.body(world))
    assert first.status in (201, 202, 200), first.body
    assert (again.status, again.body) == (first.status, first.body)
    assert world.count(making.table) == before + making.rows


@every_making
async def test_repetitions_at_the_same_time_make_one_thing(world: World, making: Making) -> None:
    before, answers = world.count(making.table), []

    async def ask() -> None:
        answers.append(await world.post(making.path(world), making.body(world)))

    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(ask)
    assert len({(answer.status, answer.body) for answer in answers}) == 1
    assert world.count(making.table) == before + making.rows


@every_making
async def test_the_same_key_with_another_request_is_a_conflict(world: World, making: Making) -> None:
    other = "/v1/teams" if making is not MAKING["create_team"] else "/v1/credits/grants"
    body = {"name": "x"} if other == "/v1/teams" else {"teamId": world.api.acme.id, "amount": 1}
    first = await world.post(making.path(world), making.body(world))
    assert first.status < 300
    conflict = await world.post(other, body)
    assert (conflict.status, conflict.code) == (409, "idempotency_conflict")
    event = {"event": MESSAGE_SENT, "teamId": world.api.acme.id, "data": {}}
    assert (await world.post("/v1/events", event)).code == "idempotency_conflict"


async def test_the_key_has_1_to_255_printable_ascii_characters(world: World) -> None:
    for name, making in MAKING.items():
        for key in ("", "x" * 256, "é"):
            answer = await world.post(making.path(world), making.body(world), key)
            assert (answer.status, answer.paths) == (422, ["header.Idempotency-Key"]), (name, key)


async def test_two_keys_are_none(world: World) -> None:
    grant = orjson.dumps({"teamId": world.api.acme.id, "amount": 5})
    twice = {"Idempotency-Key": ["a", "a"]}
    answer = await world.api.operator.call("POST", "/v1/credits/grants", content=grant, headers=twice)
    assert (answer.status, answer.paths) == (422, ["header.Idempotency-Key"])


async def test_what_was_refused_may_be_sent_again_corrected_under_the_same_key(world: World) -> None:
    grant = {"teamId": world.api.acme.id, "amount": 0}
    assert (await world.post("/v1/credits/grants", grant)).status == 422
    assert (await world.post("/v1/credits/grants", {**grant, "amount": 5})).status == 201


async def test_a_repetition_is_answered_whatever_has_changed_since(world: World) -> None:
    resend = f"/v1/deliveries/{world.delivery_id}/resend"
    first = await world.post(resend, {})
    assert (await world.api.as_acme.delete(f"/v1/webhooks/{world.webhook_id}")).status == 204
    assert (await world.post(resend, {})).body == first.body


@pytest.mark.fault(
    "A database is read whose kept answers showed secrets and keys", "They are sealed: neither stands in it readably"
)
async def test_secrets_in_kept_answers_are_sealed(world: World) -> None:
    key = (await world.post(MAKING["create_key"].path(world), {"name": "CI"}, "1")).value["key"]
    secret = (await world.post("/v1/webhooks", MAKING["create_webhook"].body(world), "2")).value["secret"]
    rotated = (await world.post(MAKING["rotate_webhook_secret"].path(world), {}, "3")).value["secret"]
    with world.api.daemon.database.reading.connect() as connection:
        kept = " ".join(connection.execute(text("SELECT answer FROM kept_answers")).scalars())
    assert kept.count("v1.") == 3
    assert not [each for each in (key, secret, rotated) if each in kept]


async def test_an_answer_that_cannot_be_read_any_more_is_told_and_nothing_is_made_again(world: World) -> None:
    path, before = MAKING["create_team"].path(world), world.count("teams")
    await world.post(path, {"name": "New"})
    with world.api.daemon.database.writing.begin() as connection:
        connection.execute(text("UPDATE kept_answers SET answer = 'v1.0000000000000000.AAAA'"))
    answer = await world.post(path, {"name": "New"})
    assert (answer.status, answer.code) == (409, "idempotency_conflict")
    assert world.count("teams") == before + 1


async def test_two_keys_on_one_request_are_refused_and_nothing_is_made(world: World) -> None:
    headers = Headers([("Idempotency-Key", "a"), ("Idempotency-Key", "b")])
    before = world.count("teams")
    answer = await world.api.operator.call("POST", "/v1/teams", content=b'{"name":"n"}', headers=headers)
    assert (answer.status, answer.paths) == (422, ["header.Idempotency-Key"])
    assert world.count("teams") == before


@pytest.mark.fault(
    "A team is called `operator`, and uses an Idempotency-Key that the operator has used", "Two scopes: two receipts"
)
async def test_no_team_shares_the_operators_scope(world: World) -> None:
    operator = world.api.operator
    assert (await operator.post("/v1/teams", {"id": "operator", "name": "Sly"})).status == 201
    made = await operator.post("/v1/teams/operator/keys", {"name": "k"})
    as_sly = operator.with_key(made.value["key"])
    body = {"event": MESSAGE_SENT, "teamId": "operator", "data": {}}
    ours, theirs = [await client.post("/v1/events", body, **{"Idempotency-Key": "k"}) for client in (operator, as_sly)]
    assert (ours.status, theirs.status) == (202, 202)
    assert ours.value["id"] != theirs.value["id"]


@pytest.mark.parametrize("team", [False, True])
async def test_keys_from_before_the_scopes_had_prefixes_still_count(world: World, team: bool) -> None:
    client = world.api.as_acme if team else world.api.operator
    body = {"event": MESSAGE_SENT, "teamId": world.api.acme.id, "data": {}}
    first = await client.post("/v1/events", body, **{"Idempotency-Key": "old"})
    with world.api.daemon.database.writing.begin() as connection:
        connection.execute(text("UPDATE idempotency_keys SET scope = replace(scope, 'team:', '')"))
    assert (await client.post("/v1/events", body, **{"Idempotency-Key": "old"})).value == first.value


async def test_a_kept_answer_is_forgotten_with_its_key(world: World) -> None:
    idempotency = Idempotency(scope_of(None), "k", b"")
    await world.post("/v1/teams", {"name": "New"})
    kept = world.api.daemon.parts.kept_answers
    with world.api.daemon.database.writing.begin() as connection:
        for table in ("idempotency_keys", "kept_answers"):
            connection.execute(text(f"UPDATE {table} SET created_at = 0"))  # ours
    assert await kept.first(idempotency) is None
    assert orjson.loads((await world.post("/v1/teams", {"name": "Another"})).body)["name"] == "Another"
    assert world.count("kept_answers") == 1
