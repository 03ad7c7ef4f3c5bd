"""Cursors are opaque, and lead through one list of one reader only (contract "HTTP API")."""

from base64 import urlsafe_b64encode
from typing import Any

import pytest

from tests.support.api_client import MESSAGE_SENT, ApiClient, RunningApi

pytestmark = pytest.mark.usefixtures("each_engine")

LISTS = ("/v1/webhooks", "/v1/deliveries", "/v1/credits/entries")


async def fill(api: RunningApi) -> None:
    """Give acme two webhooks, two events and two grants."""
    for _ in range(2):
        await api.webhook()
        await api.submit()
        await api.operator.post("/v1/credits/grants", {"teamId": api.acme.id, "amount": 1})


async def cursor_of(client: ApiClient, path: str, **query: Any) -> str:
    cursor = (await client.get(path, limit=1, **query)).value["nextCursor"]
    assert cursor is not None
    return str(cursor)


@pytest.mark.fault("A cursor is forged, altered, or made of a number", "422 naming `cursor`", cases=3)
async def test_what_is_not_of_our_making_is_no_cursor(api: RunningApi) -> None:
    await fill(api)
    number = urlsafe_b64encode(b"3").decode().rstrip("=")
    for path in LISTS:
        cursor = await cursor_of(api.as_acme, path)
        altered = ("B" if cursor[0] == "A" else "A") + cursor[1:]
        for wrong in (altered, cursor[:-1], cursor + "A", cursor.swapcase(), number, "A" * 32, "é" * 32, "", " ", "-"):
            answer = await api.as_acme.get(path, cursor=wrong)
            assert (answer.status, answer.paths) == (422, ["query.cursor"]), (path, wrong)


async def test_a_cursor_of_another_list_filter_or_reader_is_refused(api: RunningApi) -> None:
    await fill(api)
    other, as_other = await api.another_team()
    cursor = await cursor_of(api.as_acme, "/v1/deliveries")
    refused = [
        await api.as_acme.get("/v1/webhooks", cursor=cursor),
        await api.as_acme.get("/v1/deliveries", cursor=cursor, event=MESSAGE_SENT),
        await as_other.get("/v1/deliveries", cursor=cursor),
        await api.operator.get("/v1/deliveries", cursor=cursor),
        await api.operator.get("/v1/credits/entries", cursor=cursor, teamId=other.id),
    ]
    assert [(answer.status, answer.paths) for answer in refused] == [(422, ["query.cursor"])] * len(refused)
    assert (await api.as_acme.get("/v1/deliveries", cursor=cursor, limit=1)).status == 200
    assert (await api.as_acme.get("/v1/deliveries", cursor=cursor, since="1970-01-01T00:00:00Z")).status == 200


@pytest.mark.fault(
    "A tenant reads from its cursors how much others send", "They are sealed for each team: nothing can be read"
)
async def test_cursors_of_neighbouring_rows_have_nothing_in_common(api: RunningApi) -> None:
    await fill(api)
    await fill(api)
    first = (await api.as_acme.get("/v1/deliveries", limit=1)).value
    second = (await api.as_acme.get("/v1/deliveries", limit=1, cursor=first["nextCursor"])).value
    one, two = first["nextCursor"], second["nextCursor"]
    assert len(one) == len(two) == 32
    assert sum(a == b for a, b in zip(one, two, strict=True)) < 8


async def test_that_another_teams_webhook_has_many_deliveries_does_not_show(api: RunningApi) -> None:
    webhook = await api.webhook()
    event_id = await api.submit()
    _, stranger = await api.another_team()
    for query in ({"webhookId": webhook["id"]}, {"eventId": event_id}):
        assert (await stranger.get("/v1/deliveries", **query)).value == {"items": [], "nextCursor": None}
        assert len((await api.as_acme.get("/v1/deliveries", **query)).value["items"]) == 1


@pytest.mark.fault("An event has thousands of deliveries, and somebody looks at it", "A page of them at a time")
async def test_an_events_deliveries_come_page_by_page(api: RunningApi) -> None:
    for _ in range(5):
        await api.webhook()
    event_id = await api.submit()
    whole = (await api.as_acme.get(f"/v1/events/{event_id}")).value
    assert (len(whole["deliveries"]), whole["deliveriesNextCursor"]) == (5, None)
    found: list[str] = []
    query: dict[str, Any] = {}
    while True:
        page = (await api.as_acme.get(f"/v1/events/{event_id}", limit=2, **query)).value
        found += [delivery["id"] for delivery in page["deliveries"]]
        if page["deliveriesNextCursor"] is None:
            break
        query = {"cursor": page["deliveriesNextCursor"]}
    assert found == [delivery["id"] for delivery in whole["deliveries"]]
    other = await api.submit()
    assert (await api.as_acme.get(f"/v1/events/{other}", **query)).paths == ["query.cursor"]
