"""Trying webhooks out over the API."""

import pytest
import trio

from api.routes import testing
from daemon.domain.event_types import BUILT_IN
from tests.support.api_client import MESSAGE_SENT, RunningApi


async def test_a_test_goes_to_every_active_webhook_that_subscribes(api: RunningApi) -> None:
    all_of_them, this_one = await api.webhook("*"), await api.webhook(MESSAGE_SENT)
    await api.webhook("linkedin.message.received")
    inactive = await api.webhook("*")
    await api.as_acme.patch(f"/v1/webhooks/{inactive['id']}", {"active": False})
    answer = await api.as_acme.post("/v1/webhooks/test", {"event": MESSAGE_SENT})
    assert (answer.status, answer.value["event"]) == (202, MESSAGE_SENT)
    assert {each["webhookId"] for each in answer.value["deliveries"]} == {all_of_them["id"], this_one["id"]}
    shown = (await api.as_acme.get(f"/v1/deliveries/{answer.value['deliveries'][0]['id']}")).value
    assert shown["test"] is True


async def test_a_test_carries_the_example_and_says_that_it_is_one(api: RunningApi) -> None:
    await api.webhook()
    await api.operator.post("/v1/webhooks/test", {"event": MESSAGE_SENT, "teamId": api.acme.id})
    with trio.fail_after(5):
        while not api.daemon.receiver.arrivals:
            await trio.lowlevel.checkpoint()
    [arrival] = api.daemon.receiver.arrivals
    assert arrival.headers["x-kakiyo-test"] == "true"
    example = (await api.as_acme.get(f"/v1/webhooks/test/example/{MESSAGE_SENT}")).value
    assert arrival.body.startswith(b'{"event":"linkedin.message.sent","teamId":"%s"' % api.acme.id.encode())
    assert example["data"] == dict(api.handles.catalogue[MESSAGE_SENT].example)


async def test_a_test_that_nobody_subscribes_to_makes_no_delivery(api: RunningApi) -> None:
    answer = await api.as_acme.post("/v1/webhooks/test", {"event": MESSAGE_SENT})
    assert (answer.status, answer.value["deliveries"], answer.value["count"]) == (202, [], 0)


async def test_a_test_of_an_unknown_event_type_is_422(api: RunningApi) -> None:
    for event in ("nothing", "*", ""):
        answer = await api.as_acme.post("/v1/webhooks/test", {"event": event})
        assert (answer.status, answer.paths) == (422, ["$.event"]), event


async def test_every_event_type_has_an_example_which_triggers_nothing(api: RunningApi) -> None:
    await api.webhook()
    for event_type in BUILT_IN:
        example = await api.as_acme.get(f"/v1/webhooks/test/example/{event_type.name}")
        assert list(example.value) == ["event", "teamId", "timestamp", "data"]
        assert (example.value["event"], example.value["teamId"]) == (event_type.name, api.acme.id)
    assert (await api.operator.get(f"/v1/webhooks/test/example/{MESSAGE_SENT}")).status == 200
    assert (await api.as_acme.get("/v1/deliveries")).value["items"] == []


async def test_an_example_of_an_unknown_event_type_is_404(api: RunningApi) -> None:
    for event in ("nothing", "*"):
        answer = await api.as_acme.get(f"/v1/webhooks/test/example/{event}")
        assert (answer.status, answer.code) == (404, "not_found"), event


async def test_the_event_types_are_listed_with_what_they_mean(api: RunningApi) -> None:
    listed = (await api.as_acme.get("/v1/webhooks/test/events")).value
    assert [item["id"] for item in listed["items"]] == list(api.handles.catalogue)
    assert all(
        set(item) == {"id", "name", "description", "category", "deprecated", "archived"} for item in listed["items"]
    )


@pytest.mark.fault("A test goes to thousands of webhooks", "All get it; the answer shows one page of the deliveries")
async def test_a_test_of_many_webhooks_is_answered_with_a_page(
    api: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(testing, "MAX_PAGE", 2)
    for _ in range(5):
        await api.webhook()
    answer = (await api.as_acme.post("/v1/webhooks/test", {"event": MESSAGE_SENT})).value
    assert (len(answer["deliveries"]), answer["count"]) == (2, 5)
    event = (await api.as_acme.get(f"/v1/events/{answer['eventId']}")).value
    assert [each["id"] for each in event["deliveries"][:2]] == [each["id"] for each in answer["deliveries"]]
    assert len((await api.as_acme.get("/v1/deliveries", eventId=answer["eventId"])).value["items"]) == 5
