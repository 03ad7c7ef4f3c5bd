"""Deliveries over the API."""

from typing import Any

import httpx
import pytest
import trio

from tests.support.api_client import MESSAGE_SENT, RunningApi, running_api
from tests.support.daemon import FakeReceiver, make_settings, statuses

pytestmark = pytest.mark.usefixtures("each_engine")

MESSAGE_RECEIVED = "linkedin.message.received"
FIELDS = {
    *("id", "eventId", "webhookId", "teamId", "event", "status", "test", "attemptsMade", "nextAttemptAt", "createdAt"),
    *(
        "completedAt",
        "cancelReason",
        "waitingForCredits",
        "waitingForResume",
        "waitingForPace",
        "waitsAside",
        "origin",
        "lastAttempt",
    ),
}


async def settled(api: RunningApi, count: int = 1) -> list[dict[str, Any]]:
    """Return acme's deliveries, newest first, when as many as `count` are over."""
    with trio.fail_after(5):
        while True:
            items = (await api.as_acme.get("/v1/deliveries")).value["items"]
            if sum(item["status"] != "pending" for item in items) >= count:
                return list(items)
            await trio.lowlevel.checkpoint()


async def test_a_delivery_is_shown_with_its_attempts_and_what_was_answered(tmp_path: Any) -> None:
    async def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(201, headers={"x-thing": "1"}, content=b"\xffok")

    receiver = FakeReceiver({"https://hooks.example.com/in": answer})
    async with running_api(tmp_path, receiver=receiver) as api:
        webhook, event_id = await api.webhook(), await api.submit()
        [listed] = await settled(api)
        shown = (await api.as_acme.get(f"/v1/deliveries/{listed['id']}")).value
    assert set(listed) == FIELDS
    assert set(shown) == {*FIELDS, "attempts", "queuedAgainAs", "nextAttemptBecause"}
    assert (shown["webhookId"], shown["eventId"], shown["event"]) == (webhook["id"], event_id, MESSAGE_SENT)
    assert (shown["status"], shown["attemptsMade"], shown["nextAttemptAt"]) == ("succeeded", 1, None)
    assert listed["lastAttempt"] == shown["lastAttempt"]
    took = listed["lastAttempt"].pop("durationMs")
    assert listed["lastAttempt"] == {"outcome": "delivered", "status": 201, "error": None}
    [attempt] = shown["attempts"]
    assert attempt["durationMs"] == took
    assert (attempt["number"], attempt["outcome"], attempt["status"], attempt["error"]) == (1, "delivered", 201, None)
    assert ["x-thing", "1"] in attempt["responseHeaders"]
    assert attempt["responseBody"] == "\N{REPLACEMENT CHARACTER}ok"


async def test_a_delivery_that_waits_for_its_retry_says_when(tmp_path: Any) -> None:
    receiver = FakeReceiver({"https://hooks.example.com/in": statuses(503)})
    async with running_api(tmp_path, receiver=receiver) as api:
        await api.webhook()
        await api.submit()
        with trio.fail_after(5):
            while True:
                [item] = (await api.as_acme.get("/v1/deliveries", status="pending")).value["items"]
                if item["attemptsMade"]:
                    break
        shown = (await api.as_acme.get(f"/v1/deliveries/{item['id']}")).value
    assert shown["nextAttemptAt"] > shown["createdAt"]
    assert shown["completedAt"] is None
    assert shown["attempts"][0]["status"] == 503
    assert shown["attempts"][0]["error"]


async def test_deliveries_are_filtered(api: RunningApi) -> None:
    first, second = await api.webhook(MESSAGE_SENT), await api.webhook(MESSAGE_RECEIVED)
    await api.submit(MESSAGE_SENT)
    await api.submit(MESSAGE_RECEIVED)
    received, sent = (item["id"] for item in await settled(api, 2))

    async def listed(**query: Any) -> list[str]:
        return [item["id"] for item in (await api.as_acme.get("/v1/deliveries", **query)).value["items"]]

    assert await listed() == [received, sent]
    assert await listed(webhookId=first["id"]) == [sent]
    assert await listed(webhookId=second["id"], event=MESSAGE_SENT) == []
    assert await listed(event=MESSAGE_RECEIVED) == [received]
    assert await listed(status="succeeded") == [received, sent]
    assert await listed(status="failed") == []
    assert await listed(since="2027-01-15T08:00:00Z", until="2027-01-15T09:00:00Z") == [received, sent]
    assert await listed(since="2027-01-15T09:00:00Z") == []
    assert await listed(until="2027-01-15T07:59:59+00:00") == []
    assert await listed(webhookId="wh_unknown") == []
    assert await listed(outcome="delivered", httpStatus="2xx") == [received, sent]
    assert await listed(outcome="timeout") == []
    assert await listed(httpStatus="500") == []
    assert await listed(since="1h", until="0s") == [received, sent]
    api.daemon.clock.offset_ms += 3 * 3_600_000
    assert await listed(since="2h") == []
    assert await listed(since="4h", until="3h", status=["failed", "succeeded"]) == [received, sent]


async def test_a_list_tells_how_the_last_attempt_of_each_ended_and_is_filtered_by_it(tmp_path: Any) -> None:
    answers = {"https://hooks.example.com/in": statuses(200), "https://hooks.example.com/out": statuses(503)}
    settings = make_settings(tmp_path, delivery={"retry_delays_s": []})
    async with running_api(tmp_path, receiver=FakeReceiver(answers), settings=settings) as api:
        await api.webhook()
        failing = await api.webhook(url="https://hooks.example.com/out")
        await api.submit()
        await settled(api, 2)
        await api.as_acme.patch(f"/v1/webhooks/{failing['id']}", {"active": False})
        event_id = await api.submit()
        await settled(api, 3)
        items = (await api.as_acme.get(f"/v1/events/{event_id}")).value["deliveries"]

        async def listed(**query: Any) -> list[tuple[str, Any]]:
            found = (await api.as_acme.get("/v1/deliveries", **query)).value["items"]
            return [(one["status"], one["lastAttempt"] and one["lastAttempt"]["status"]) for one in found]

        assert await listed() == [("succeeded", 200), ("failed", 503), ("succeeded", 200)]
        assert await listed(httpStatus="503") == await listed(httpStatus="5xx") == [("failed", 503)]
        assert await listed(outcome="http_error", status=["failed", "pending"]) == [("failed", 503)]
        assert await listed(outcome="delivered", webhookId=failing["id"]) == []
        assert await listed(outcome="delivered", status="failed") == []
    assert [one["lastAttempt"]["error"] for one in items] == [None]


@pytest.mark.parametrize(
    ("query", "path", "says"),
    [
        ({"state": "failed"}, "query.state", "webhookId"),
        ({"status": "gone"}, "query.status", "'cancelled'"),
        ({"outcome": "http"}, "query.outcome", "'http_error'"),
        ({"httpStatus": "6xx"}, "query.httpStatus", "5xx"),
        ({"since": "two hours"}, "query.since", "2h"),
        ({"since": "1h", "until": "2h"}, "query.until", "before since"),
        ({"event": ["a", "b"]}, "query.event", "more than once"),
    ],
)
async def test_a_wrong_filter_is_refused_with_what_is_allowed(
    api: RunningApi, query: dict[str, Any], path: str, says: str
) -> None:
    answer = await api.as_acme.get("/v1/deliveries", **query)
    assert (answer.status, answer.paths) == (422, [path])
    assert says in answer.value["errors"][0]["message"]


async def test_deliveries_are_listed_page_by_page(api: RunningApi) -> None:
    await api.webhook()
    for _ in range(3):
        await api.submit()
    first = (await api.as_acme.get("/v1/deliveries", limit=2)).value
    rest = (await api.as_acme.get("/v1/deliveries", limit=2, cursor=first["nextCursor"])).value
    assert [len(first["items"]), len(rest["items"]), rest["nextCursor"]] == [2, 1, None]


async def test_a_team_sees_its_own_deliveries_only_and_the_operator_all(api: RunningApi) -> None:
    other, stranger = await api.another_team()
    await api.webhook()
    await api.submit()
    assert (await stranger.get("/v1/deliveries")).value["items"] == []
    assert len((await api.operator.get("/v1/deliveries")).value["items"]) == 1
    assert (await api.operator.get("/v1/deliveries", teamId=other.id)).value["items"] == []


async def test_a_delivery_is_sent_again_as_a_new_one_even_if_it_succeeded(api: RunningApi) -> None:
    webhook, event_id = await api.webhook(), await api.submit()
    [first] = await settled(api)
    again = await api.as_acme.call("POST", f"/v1/deliveries/{first['id']}/resend")
    assert again.status == 202
    assert set(again.value) == FIELDS
    assert again.value["id"] != first["id"]
    assert (again.value["eventId"], again.value["webhookId"]) == (event_id, webhook["id"])
    assert again.value["origin"] == {"kind": "resend", "deliveryId": first["id"]}
    listed, _ = await settled(api, 2)
    assert listed["origin"] == again.value["origin"]
    shown = (await api.as_acme.get(f"/v1/deliveries/{first['id']}")).value
    assert (shown["origin"], shown["queuedAgainAs"]) == (None, [{"kind": "resend", "deliveryId": again.value["id"]}])


async def test_what_is_recovered_and_what_it_was_recovered_from_name_each_other(tmp_path: Any) -> None:
    receiver = FakeReceiver({"https://hooks.example.com/in": statuses(503)})
    settings = make_settings(tmp_path, delivery={"retry_delays_s": []})
    async with running_api(tmp_path, receiver=receiver, settings=settings) as api:
        webhook, _ = await api.webhook(), await api.submit()
        [first] = await settled(api)
        await api.as_acme.post(f"/v1/webhooks/{webhook['id']}/recover", {"since": "2020-01-01T00:00:00Z"})
        again, _ = await settled(api, 2)
        shown = (await api.as_acme.get(f"/v1/deliveries/{first['id']}")).value
    assert again["origin"] == {"kind": "recover", "deliveryId": first["id"]}
    assert shown["queuedAgainAs"] == [{"kind": "recover", "deliveryId": again["id"]}]


async def test_nothing_is_sent_again_to_an_inactive_webhook(api: RunningApi) -> None:
    webhook = await api.webhook()
    await api.submit()
    [first] = await settled(api)
    await api.as_acme.patch(f"/v1/webhooks/{webhook['id']}", {"active": False})
    answer = await api.as_acme.call("POST", f"/v1/deliveries/{first['id']}/resend")
    assert (answer.status, answer.code) == (409, "webhook_inactive")


@pytest.mark.parametrize("enforce", [True, False])
async def test_a_delivery_says_that_it_waits_for_credits_until_they_are_granted(tmp_path: Any, enforce: bool) -> None:
    settings = make_settings(tmp_path, credits={"enforce": enforce})
    async with running_api(tmp_path, settings=settings) as api:
        await api.webhook()
        event_id = await api.submit()
        [shown] = (await api.as_acme.get(f"/v1/events/{event_id}")).value["deliveries"]
        if enforce:
            assert (shown["status"], shown["waitingForCredits"]) == ("pending", True)
        else:
            assert shown["waitingForCredits"] is False
        await api.operator.post("/v1/credits/grants", {"teamId": api.acme.id, "amount": 10})
        [done] = await settled(api)
    assert (done["status"], done["waitingForCredits"]) == ("succeeded", False)


async def test_an_unknown_id_is_404(api: RunningApi) -> None:
    for path in ("/v1/deliveries/dlv_unknown", "/v1/deliveries/%00", "/v1/deliveries/%ff", "/v1/events/%F0%9F%98%80"):
        answer = await api.operator.get(path)
        assert (answer.status, answer.code) == (404, "not_found"), path
