"""Finding events over the API, and what is told of how one was submitted."""

from typing import Any

import pytest

from tests.support.api_client import MESSAGE_SENT, RunningApi

pytestmark = pytest.mark.usefixtures("each_engine")

MESSAGE_RECEIVED = "linkedin.message.received"


async def submit(api: RunningApi, key: str, event: str = MESSAGE_SENT) -> str:
    answer = await api.as_acme.post("/v1/events", {"event": event, "data": {}}, **{"Idempotency-Key": key})
    return str(answer.value["id"])


async def listed(api: RunningApi, **query: Any) -> list[str]:
    return [one["id"] for one in (await api.as_acme.get("/v1/events", **query)).value["items"]]


async def test_events_are_listed_newest_first_by_type_time_and_idempotency_key(api: RunningApi) -> None:
    first, second = await submit(api, "one"), await submit(api, "two", MESSAGE_RECEIVED)
    await submit(api, "two", MESSAGE_RECEIVED)
    assert await listed(api) == [second, first]
    assert await listed(api, type=MESSAGE_SENT) == [first]
    assert await listed(api, idempotencyKey="two") == [second]
    assert await listed(api, idempotencyKey="two", type=MESSAGE_SENT) == []
    assert await listed(api, idempotencyKey="t%") == []
    assert await listed(api, since="1h") == [second, first]
    assert await listed(api, until="1h") == []
    [item] = (await api.as_acme.get("/v1/events", limit=1)).value["items"]
    shown = (await api.as_acme.get(f"/v1/events/{second}")).value
    assert {name: shown[name] for name in item} == item
    terms = {"deliverAt", "expiresAt", "priority"}
    assert set(item) == {"id", "teamId", "event", "timestamp", "acceptedAt", "test", "size", "key", "erasedAt", *terms}


async def test_events_are_listed_page_by_page(api: RunningApi) -> None:
    batch = [{"event": MESSAGE_SENT, "data": {}}] * 3
    answer = await api.as_acme.post("/v1/events/batch", batch, **{"Idempotency-Key": "many"})
    ids = [receipt["id"] for receipt in answer.value["receipts"]][::-1]
    for query in ({}, {"idempotencyKey": "many"}):
        first = (await api.as_acme.get("/v1/events", limit=2, **query)).value
        rest = (await api.as_acme.get("/v1/events", limit=2, cursor=first["nextCursor"], **query)).value
        assert [one["id"] for page in (first, rest) for one in page["items"]] == ids
        assert rest["nextCursor"] is None


async def test_an_event_tells_with_which_keys_it_was_submitted(api: RunningApi) -> None:
    body = {"event": MESSAGE_SENT, "data": {"n": 1}, "teamId": api.acme.id}
    ours = await submit(api, "order-17")
    theirs = (await api.operator.post("/v1/events", body, **{"Idempotency-Key": "internal"})).value["id"]
    shown = (await api.as_acme.get(f"/v1/events/{ours}")).value
    assert (shown["key"]["name"], shown["idempotencyKey"]) == ("tests", "order-17")
    assert shown["size"] > len('"data":{}')
    shown = (await api.as_acme.get(f"/v1/events/{theirs}")).value
    assert (shown["key"], shown["idempotencyKey"]) == ({"id": "operator", "name": "operator"}, None)
    assert await listed(api, idempotencyKey="internal") == []
    shown = (await api.operator.get(f"/v1/events/{theirs}")).value
    assert shown["idempotencyKey"] == "internal"
    for key, event_id in (("internal", theirs), ("order-17", ours)):
        found = await api.operator.get("/v1/events", teamId=api.acme.id, idempotencyKey=key)
        assert [one["id"] for one in found.value["items"]] == [event_id]


async def test_another_teams_events_and_idempotency_keys_are_not_listed(api: RunningApi) -> None:
    _, stranger = await api.another_team()
    await submit(api, "the same")
    for query in ({}, {"idempotencyKey": "the same"}):
        assert (await stranger.get("/v1/events", **query)).value == {"items": [], "nextCursor": None}


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({"event": MESSAGE_SENT}, "query.event"),
        ({"type": "nothing.known"}, "query.type"),
        ({"since": "yesterday"}, "query.since"),
        ({"since": "1h", "until": "1d"}, "query.until"),
    ],
)
async def test_a_wrong_filter_of_events_is_refused(api: RunningApi, query: dict[str, Any], path: str) -> None:
    answer = await api.as_acme.get("/v1/events", **query)
    assert (answer.status, answer.paths) == (422, [path])
