"""Erasing an event over the API."""

from typing import Any

import pytest
import trio

from tests.support.api_client import MESSAGE_SENT, RunningApi

pytestmark = pytest.mark.usefixtures("each_engine")


async def ended(api: RunningApi, event_id: str) -> dict[str, Any]:
    """Return the event when none of its deliveries is pending."""
    with trio.fail_after(5):
        while True:
            event = (await api.as_acme.get(f"/v1/events/{event_id}")).value
            if all(one["status"] != "pending" for one in event["deliveries"]):
                return dict(event)
            await trio.lowlevel.checkpoint()


async def erased(api: RunningApi, event_id: str, client: Any = None) -> dict[str, Any]:
    """Erase an event; return it when nothing is left to go."""
    answer = await (client or api.as_acme).delete(f"/v1/events/{event_id}")
    assert answer.status == 202
    assert answer.value.keys() == {"id", "erasedAt", "erasing"}
    with trio.fail_after(5):
        while (event := (await api.as_acme.get(f"/v1/events/{event_id}")).value)["erasing"]:
            await trio.lowlevel.checkpoint()
    assert event["erasedAt"] == answer.value["erasedAt"]
    return dict(event)


async def test_an_erased_event_is_shown_without_its_body_and_its_answers(api: RunningApi) -> None:
    await api.webhook()
    event_id = await api.submit(secret="Ada")
    before = await ended(api, event_id)
    event = await erased(api, event_id)
    gone = {"body": None, "size": 0, "erasedAt": event["erasedAt"]}
    assert event == {**before, **gone}
    [listed] = (await api.as_acme.get("/v1/events")).value["items"]
    assert (listed["erasedAt"], listed["size"]) == (event["erasedAt"], 0)
    delivery = (await api.as_acme.get(f"/v1/deliveries/{event['deliveries'][0]['id']}")).value
    [attempt] = delivery["attempts"]
    assert (attempt["outcome"], attempt["status"]) == ("delivered", 200)
    assert not attempt["responseHeaders"]
    assert not attempt["responseBody"]
    assert (await api.as_acme.get("/v1/search?q=Ada")).value["items"] == []


async def test_it_cannot_be_sent_again(api: RunningApi) -> None:
    webhook = await api.webhook()
    event_id = await api.submit()
    [delivery] = (await ended(api, event_id))["deliveries"]
    await erased(api, event_id)
    answer = await api.as_acme.call("POST", f"/v1/deliveries/{delivery['id']}/resend")
    assert (answer.status, answer.value["code"]) == (409, "event_erased")
    assert f"event {event_id} was erased" in answer.value["detail"]
    recovered = await api.as_acme.post(f"/v1/webhooks/{webhook['id']}/recover", {"since": "2020-01-01T00:00:00Z"})
    assert recovered.value["deliveries"] == 0


async def test_the_same_idempotency_key_gets_the_first_receipt_and_brings_nothing_back(api: RunningApi) -> None:
    body = {"event": MESSAGE_SENT, "teamId": api.acme.id, "data": {}}
    first = await api.as_acme.post("/v1/events", body, **{"Idempotency-Key": "once"})
    await erased(api, first.value["id"])
    again = await api.as_acme.post("/v1/events", body, **{"Idempotency-Key": "once"})
    assert (again.status, again.value) == (202, first.value)
    assert (await api.as_acme.get(f"/v1/events/{first.value['id']}")).value["body"] is None


async def test_erasing_twice_answers_the_same(api: RunningApi) -> None:
    event_id = await api.submit()
    first = await erased(api, event_id)
    assert await erased(api, event_id, api.operator) == first


async def test_an_event_of_nobody_or_of_another_team_is_404(api: RunningApi) -> None:
    event_id = await api.submit()
    _, other = await api.another_team()
    for client, asked in ((api.as_acme, "evt_unknown"), (other, event_id)):
        answer = await client.delete(f"/v1/events/{asked}")
        assert (answer.status, answer.value["code"]) == (404, "not_found")
    assert (await api.as_acme.get(f"/v1/events/{event_id}")).value["erasedAt"] is None
