"""Finding things over the API by whatever is known of them."""

from collections import Counter
from typing import Any

import pytest

from tests.support.api_client import MESSAGE_SENT, RunningApi

pytestmark = pytest.mark.usefixtures("each_engine")


async def search(client: Any, q: str, **query: Any) -> list[tuple[str, str, str]]:
    answer = await client.get("/v1/search", q=q, **query)
    assert answer.status == 200, answer.body
    return [(one["kind"], one["id"], one["match"]) for one in answer.value["items"]]


async def test_an_event_a_delivery_and_a_webhook_are_found_by_their_ids(api: RunningApi) -> None:
    webhook, event_id = await api.webhook(name="CRM"), await api.submit()
    [delivery] = (await api.as_acme.get(f"/v1/events/{event_id}")).value["deliveries"]
    for kind, its_id in (("event", event_id), ("delivery", delivery["id"]), ("webhook", webhook["id"])):
        assert await search(api.as_acme, its_id) == [(kind, its_id, "id")]
        assert (kind, its_id, "id") in await search(api.as_acme, its_id[:-6])
        assert (kind, its_id, "id") in await search(api.as_acme, its_id.partition("_")[2])
    [item] = (await api.as_acme.get("/v1/search", q=webhook["id"])).value["items"]
    assert item == {
        "kind": "webhook",
        "id": webhook["id"],
        "teamId": api.acme.id,
        "title": "CRM",
        "at": webhook["createdAt"],
        "match": "id",
    }
    await api.as_acme.delete(f"/v1/webhooks/{webhook['id']}")
    assert await search(api.as_acme, webhook["id"]) == []


async def test_an_event_is_found_by_its_idempotency_key_and_by_its_payload(api: RunningApi) -> None:
    body = {"event": MESSAGE_SENT, "data": {"user": {"name": "Zoë"}, "note": 'say "hi"'}}
    answer = await api.as_acme.post("/v1/events", body, **{"Idempotency-Key": "order 17"})
    event_id = answer.value["id"]
    escaped = b'{"event":"linkedin.message.sent","data":{"user":{"name":"Zo\\u00eb"}}}'
    other = (await api.as_acme.call("POST", "/v1/events", content=escaped)).value["id"]
    assert await search(api.as_acme, "order 17") == [("event", event_id, "idempotency_key")]
    both = [("event", one, "payload") for one in (other, event_id)]
    assert await search(api.as_acme, "Zoë") == await search(api.as_acme, "data.user.name=Zoë") == both
    assert await search(api.as_acme, 'say "hi"') == both[1:]
    for wildcards in ("Zo_", "%%%", "data.user.name=Zo"):
        assert await search(api.as_acme, wildcards) == []
    assert await search(api.as_acme, "Zoë", until="1h") == []
    [page] = [(await api.as_acme.get("/v1/search", q="nowhere")).value]
    assert (page["items"], page["nextCursor"], page["lookedAt"]) == ([], None, 2)
    assert page["backTo"] is not None


async def test_a_page_has_so_many_by_ids_by_keys_and_by_payloads_each(api: RunningApi) -> None:
    await api.webhook()
    submitted = [await api.submit() for _ in range(3)]
    common = submitted[0][: len("evt_") + 7]  # what ids of half a minute begin with
    batch = [{"event": MESSAGE_SENT, "data": {}}] * 3
    assert (await api.as_acme.post("/v1/events/batch", batch, **{"Idempotency-Key": common})).status == 202
    for _ in range(3):
        await api.submit(word=common)
    found = await search(api.as_acme, common, limit=2)
    assert Counter(match for _, _, match in found) == {"id": 2, "idempotency_key": 2, "payload": 2}
    of_ids = await search(api.as_acme, common.partition("_")[2], limit=1)
    assert sorted(kind for kind, _, match in of_ids if match == "id") == ["delivery", "event", "webhook"]


async def test_a_search_goes_on_with_its_cursor(api: RunningApi) -> None:
    ids = [await api.submit(word="tea") for _ in range(3)]
    first = (await api.as_acme.get("/v1/search", q="tea", limit=2)).value
    rest = (await api.as_acme.get("/v1/search", q="tea", limit=2, cursor=first["nextCursor"])).value
    assert [one["id"] for page in (first, rest) for one in page["items"]] == ids[::-1]
    assert (await api.as_acme.get("/v1/search", q="other", cursor=first["nextCursor"])).status == 422


async def test_nothing_of_another_team_is_found(api: RunningApi) -> None:
    _, stranger = await api.another_team()
    webhook = await api.webhook()
    body = {"event": MESSAGE_SENT, "data": {"word": "secret"}}
    event_id = (await api.as_acme.post("/v1/events", body, **{"Idempotency-Key": "ours"})).value["id"]
    for text in (event_id, event_id[:12], webhook["id"], "secret", "ours", "data.word=secret"):
        answer = await stranger.get("/v1/search", q=text)
        assert answer.value == {"items": [], "nextCursor": None, "lookedAt": 0, "backTo": None}
    assert await search(api.operator, event_id) == [("event", event_id, "id")]
    assert await search(api.operator, "secret") == []
    assert await search(api.operator, "secret", teamId=api.acme.id) == [("event", event_id, "payload")]


@pytest.mark.parametrize("q", ["", "x", "x" * 201, "a\0b"])
async def test_a_text_that_cannot_be_looked_for_is_refused(api: RunningApi, q: str) -> None:
    answer = await api.as_acme.get("/v1/search", q=q)
    assert (answer.status, answer.paths) == (422, ["query.q"])
