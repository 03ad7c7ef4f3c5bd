"""Events that are submitted on terms (contract "Terms of an event")."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
import trio

from tests.actors.receivers import slow
from tests.support.api_client import MESSAGE_SENT, PUBLIC_URL, RunningApi

pytestmark = pytest.mark.usefixtures("each_engine")

DAY_S = 86_400


def at(api: RunningApi, seconds: float) -> str:
    """Return the time that is so many seconds ahead, as a client writes it."""
    return datetime.fromtimestamp(api.handles.now_ms() / 1000 + seconds, UTC).isoformat(timespec="milliseconds")


def as_shown(time: str) -> str:
    return time.replace("+00:00", "Z")


async def submit(api: RunningApi, **members: Any) -> Any:
    return await api.as_acme.post("/v1/events", {"event": MESSAGE_SENT, "data": {"n": 1}, **members})


async def test_an_event_for_later_is_shown_with_its_time_and_so_is_its_delivery(api: RunningApi) -> None:
    await api.webhook()
    later = at(api, 3600)
    answer = await submit(api, deliverAt=later)
    assert (answer.status, answer.value["deliveries"]) == (202, 1)
    event = (await api.as_acme.get(f"/v1/events/{answer.value['id']}")).value
    assert event["deliverAt"] == as_shown(later)
    [listed] = (await api.as_acme.get("/v1/events")).value["items"]
    assert listed["deliverAt"] == as_shown(later)
    [delivery] = event["deliveries"]
    assert (delivery["status"], delivery["waitsAside"], delivery["nextAttemptAt"]) == ("pending", True, as_shown(later))
    shown = (await api.as_acme.get(f"/v1/deliveries/{delivery['id']}")).value
    assert (shown["nextAttemptBecause"], shown["attempts"]) == ("deliver_at", [])
    pending = (await api.as_acme.get("/v1/deliveries", status="pending")).value["items"]
    assert [each["id"] for each in pending] == [delivery["id"]]


async def test_an_event_without_terms_has_none(api: RunningApi) -> None:
    event = (await api.as_acme.get(f"/v1/events/{await api.submit()}")).value
    assert (event["deliverAt"], event["expiresAt"], event["priority"]) == (None, None, "normal")


@pytest.mark.parametrize("priority", ["low", "normal", None])
async def test_an_event_says_its_priority(api: RunningApi, priority: str | None) -> None:
    await api.webhook()
    answer = await submit(api, priority=priority)
    event = (await api.as_acme.get(f"/v1/events/{answer.value['id']}")).value
    assert event["priority"] == (priority or "normal")
    [listed] = (await api.as_acme.get("/v1/events")).value["items"]
    assert listed["priority"] == (priority or "normal")


async def test_a_delivery_of_low_priority_is_pending(api: RunningApi) -> None:
    webhook = await api.webhook()
    await api.as_acme.patch(f"/v1/webhooks/{webhook['id']}", {"paused": True})
    await submit(api, priority="low")
    for query in ({"status": "pending"}, {"status": "pending", "webhookId": webhook["id"]}, {}):
        [listed] = (await api.as_acme.get("/v1/deliveries", **query)).value["items"]
        assert (listed["status"], listed["waitsAside"], listed["waitingForResume"]) == ("pending", False, True)


async def test_an_event_that_expires_says_when_and_its_delivery_that_it_has(api: RunningApi) -> None:
    await api.webhook()
    api.daemon.receiver.answers[PUBLIC_URL] = slow(0, 503)
    answer = await submit(api, expiresAt=(past := at(api, -5)))
    event = (await api.as_acme.get(f"/v1/events/{answer.value['id']}")).value
    assert event["expiresAt"] == as_shown(past)
    with trio.fail_after(5):
        while event["deliveries"][0]["status"] == "pending":
            event = (await api.as_acme.get(f"/v1/events/{answer.value['id']}")).value
            await trio.lowlevel.checkpoint()
    [delivery] = event["deliveries"]
    assert (delivery["status"], delivery["cancelReason"], delivery["attemptsMade"]) == ("cancelled", "expired", 0)


async def test_it_expires_after_it_may_be_delivered(api: RunningApi) -> None:
    for expires_s in (60, 59):
        refused = await submit(api, deliverAt=at(api, 60), expiresAt=at(api, expires_s))
        assert (refused.status, refused.paths) == (422, ["$.expiresAt"])
        assert refused.value["errors"][0]["message"] == "expected a time after deliverAt"
    assert (await submit(api, deliverAt=at(api, 60), expiresAt=at(api, 61))).status == 202


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"deliverAt": "tomorrow"}, "$.deliverAt"),
    ({"deliverAt": 5}, "$.deliverAt"),
    ({"deliverAt": "2h"}, "$.deliverAt"),
    ({"deliverAt": "2127-01-15T08:00:00Z"}, "$.deliverAt"),
    ({"expiresAt": "tomorrow"}, "$.expiresAt"),
    ({"expiresAt": "2127-01-15T08:00:00Z"}, "$.expiresAt"),
    ({"deliverAt": None, "expiresAt": ""}, "$.expiresAt"),
    ({"priority": "high"}, "$.priority"),
    ({"priority": 1}, "$.priority"),
    ({"priority": ""}, "$.priority"),
    ({"deliver_at": "2027-01-15T08:00:00Z"}, "$.deliver_at"),
)


async def test_wrong_terms_are_refused_with_their_place(api: RunningApi) -> None:
    for wrong, path in WRONG:
        event = {"event": MESSAGE_SENT, "data": {}, **wrong}
        for answer, where in (
            (await api.as_acme.post("/v1/events", event), path),
            (await api.as_acme.post("/v1/events/batch", [event]), path.replace("$", "$[0]")),
        ):
            assert (answer.status, answer.paths) == (422, [where]), wrong


async def test_a_time_may_be_90_days_ahead_and_no_more(api: RunningApi) -> None:
    assert (await submit(api, deliverAt=at(api, 90 * DAY_S - 60))).status == 202
    refused = await submit(api, deliverAt=at(api, 90 * DAY_S + 60))
    assert (refused.status, refused.value["errors"][0]["message"]) == (422, "expected a time at most 90 days ahead")


def _both(api: RunningApi, deliver_at: str) -> dict[str, str]:
    return {"deliverAt": deliver_at, "expiresAt": at(api, 600), "priority": "low"}


@pytest.mark.parametrize("media_type", ["application/json", "application/x-ndjson"])
async def test_each_event_of_a_batch_has_its_own_terms(api: RunningApi, media_type: str) -> None:
    await api.webhook()
    times = [None, at(api, 60), None, at(api, 120)]
    events = [
        orjson.dumps({"event": MESSAGE_SENT, "data": {"n": '"}'}, **({} if time is None else _both(api, time))})
        for time in times
    ]
    content = b"\n".join(events) if media_type.endswith("ndjson") else b"[%s]" % b",".join(events)
    answer = await api.as_acme.call("POST", "/v1/events/batch", content=content, media_type=media_type)
    ids = [receipt["id"] for receipt in answer.value["receipts"]]
    shown = [(await api.as_acme.get(f"/v1/events/{event_id}")).value["deliverAt"] for event_id in ids]
    assert shown == [None if time is None else as_shown(time) for time in times]


async def test_terms_may_be_written_in_any_way_of_json(api: RunningApi) -> None:
    later = at(api, 60)
    for sent in (
        b'{"event": "%s", "data": {}, "deliverAt": "%s"}',
        b'{"event": "%s", "data": {}, "d\\u0065liverAt": "%s"}',
        b'{"event": "%s", "data": {}, "teamId": null, "deliverAt": "%s"}',
    ):
        answer = await api.as_acme.call("POST", "/v1/events", content=sent % (MESSAGE_SENT.encode(), later.encode()))
        event = (await api.as_acme.get(f"/v1/events/{answer.value['id']}")).value
        assert event["deliverAt"] == as_shown(later), sent
    twice = b'{"event": "%s", "data": {}, "deliverAt": "%s", "deliverAt": "%s"}'
    answer = await api.as_acme.call(
        "POST", "/v1/events", content=twice % (MESSAGE_SENT.encode(), later.encode(), later.encode())
    )
    assert (answer.status, answer.code) == (400, "invalid_json")


async def test_a_null_is_as_if_it_were_left_out(api: RunningApi) -> None:
    answer = await submit(api, deliverAt=None)
    assert (await api.as_acme.get(f"/v1/events/{answer.value['id']}")).value["deliverAt"] is None
